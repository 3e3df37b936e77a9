"""Evaluation jobs of Bedrock, with their files in a bucket."""

import time
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from driftgate.errors import BadInput, InfrastructureFailed
from driftgate.judges import jobs
from driftgate.schemas.judge_calibration import JobScore

RUNNING = ("InProgress", "Stopping")
POLL_S = 30


class EvaluationJobs:
    """Args: boto3's clients of bedrock and S3."""

    def __init__(self, bedrock: Any, s3: Any) -> None:
        self._bedrock = bedrock
        self._s3 = s3

    def start(self, name: str, lines: Sequence[bytes], *, role: str, model: str, place: str) -> str:
        """Upload the lines below `place`, s3://bucket/prefix, and start; the job's ARN."""
        bucket, prefix = _parts(place)
        key = f"{prefix}{name}/input.jsonl"
        where = f"s3://{bucket}/{prefix}{name}"
        request = jobs.request(
            name, role=role, model=model, data=f"s3://{bucket}/{key}", output=f"{where}/output/"
        )
        try:
            self._s3.put_object(Bucket=bucket, Key=key, Body=b"\n".join(lines) + b"\n")
            return str(self._bedrock.create_evaluation_job(**request)["jobArn"])
        except (ClientError, BotoCoreError) as error:
            raise InfrastructureFailed(f"evaluation job {name}: {error}") from error

    def wait(self, job: str, timeout_s: float) -> str:
        """Its status when it has ended.

        Raises:
            InfrastructureFailed: it failed, or goes on for longer than this.
        """
        end = time.monotonic() + timeout_s
        while (found := self._find(job))["status"] in RUNNING:
            if time.monotonic() > end:
                raise InfrastructureFailed(f"{job} is {found['status']} after {timeout_s:.0f} s")
            time.sleep(POLL_S)
        if found["status"] != "Completed":
            why = "; ".join(found.get("failureMessages", [])) or "no reason is given"
            raise InfrastructureFailed(f"{job} is {found['status']}: {why}")
        return str(found["status"])

    def scores(self, job: str) -> tuple[JobScore, ...]:
        """What a completed job found. Raises BadInput if it has no output."""
        bucket, prefix = _parts(self._find(job)["outputDataConfig"]["s3Uri"])
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        outputs = [key for key in keys if key.endswith("_output.jsonl")]
        if not outputs:
            raise BadInput(f"{job} has no output below s3://{bucket}/{prefix} yet")
        bodies = (self._s3.get_object(Bucket=bucket, Key=key)["Body"] for key in outputs)
        return jobs.scores(body.read() for body in bodies)

    def _find(self, job: str) -> Any:
        try:
            return self._bedrock.get_evaluation_job(jobIdentifier=job)
        except (ClientError, BotoCoreError) as error:
            raise InfrastructureFailed(f"{job}: {error}") from error


def _parts(place: str) -> tuple[str, str]:
    """Bucket and prefix, which ends with a slash if there is one."""
    bucket, _, prefix = place.removeprefix("s3://").strip("/").partition("/")
    if not place.startswith("s3://") or not bucket:
        raise BadInput(f"wanted a place as in s3://bucket/prefix, got {place!r}")
    return bucket, f"{prefix}/" if prefix else ""
