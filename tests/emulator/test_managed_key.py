"""KMS without a key means the key that S3 manages."""

import pytest
from botocore.exceptions import ClientError


def put(cloud):
    cloud.s3.create_bucket(Bucket="managed-key")
    cloud.s3.put_object(Bucket="managed-key", Key="a", Body=b"1", ServerSideEncryption="aws:kms")
    return cloud.s3.head_object(Bucket="managed-key", Key="a")


def test_an_object_is_encrypted_with_it(cloud):
    assert put(cloud)["SSEKMSKeyId"] == "alias/aws/s3"


def test_the_bare_emulator_refuses(bare):
    with pytest.raises(ClientError, match="requires a key id"):
        put(bare)
