"""The emulator refuses a write that asks for KMS without naming a key; on AWS that means the key
that S3 manages for the account. The CDK command line publishes its assets so."""

from typing import Any

from ministack.services import s3

ALGORITHM = "x-amz-server-side-encryption"
KEY = "x-amz-server-side-encryption-aws-kms-key-id"
MANAGED = "alias/aws/s3"


def apply() -> None:
    original = s3._resolve_sse_write_headers
    assert KEY in original.__code__.co_consts, "S3 now resolves encryption elsewhere"

    def resolve(headers: dict[str, str], bucket: str) -> Any:
        if headers.get(ALGORITHM) == "aws:kms" and not headers.get(KEY):
            headers = {**headers, KEY: MANAGED}
        return original(headers, bucket)

    s3._resolve_sse_write_headers = resolve
