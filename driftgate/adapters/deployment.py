"""A deployed environment, as the command line sees it: found by its stacks' outputs."""

import getpass
import itertools
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from driftgate import curation, datasets, errors
from driftgate.adapters import quotas
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.dynamo_ledger import DynamoLedger
from driftgate.errors import BadInput, DriftgateError, InfrastructureFailed
from driftgate.schemas.capacity import Quotas
from driftgate.schemas.datasets import (
    Dataset,
    DatasetVersion,
    PublishDatasetRequest,
    PublishDatasetResult,
)
from driftgate.schemas.drills import ChooseDrillRequest, DrillRow
from driftgate.schemas.judgments import JudgeSpec
from driftgate.schemas.record import Record
from driftgate.schemas.runs import PlanRunRequest, PublishRunResult
from driftgate.schemas.sweeping import SweepSessionsRequest, SweepSessionsResult

Clients = Callable[[str], Any]  # service name -> boto3 client
_HOW = {"local": "driftgate local deploy"}


class Deployment:
    """Registry, artifacts and state machine of one environment."""

    def __init__(self, environment: str, outputs: dict[str, str], client: Clients) -> None:
        self.environment = environment
        self.records = S3Artifacts(client("s3"), outputs["RecordsBucket"])
        self.runs = S3Artifacts(client("s3"), outputs["RunsBucket"])
        self.registry = DynamoRegistry(
            client("dynamodb"), outputs["RegistryTable"], self.records, environment
        )
        self.ledger = DynamoLedger(client("dynamodb"), outputs["LedgerTable"])
        self.call_tool_function = outputs["CallToolFunction"]
        self.intercept_tools_function = outputs["InterceptToolsFunction"]
        self.outputs = outputs
        self.judge = JudgeSpec.model_validate_json(outputs["Judge"])
        self._client = client

    def quotas(self) -> Quotas:
        """What a run here may use, as PlanRun knows it."""
        return quotas.with_functions(
            Quotas.model_validate_json(self.outputs["Quotas"]), self._client("lambda")
        )

    def caller(self) -> str:
        """The ARN of whoever has these credentials; of an assumed role, with the session's name."""
        return str(self._client("sts").get_caller_identity()["Arn"])

    def publish_dataset(self, dataset: Dataset, author: str = "") -> DatasetVersion:
        """Upload a dataset and have it published. Raises what the function raises, by name."""
        self.runs.put_once(
            curation.upload_key(dataset.sha256), datasets.to_bytes(dataset.header, dataset.cases)
        )
        request = PublishDatasetRequest(
            header=dataset.header, sha256=dataset.sha256, author=author or getpass.getuser()
        )
        answer = self._invoke(self.outputs["PublishDatasetFunction"], request)
        return PublishDatasetResult.model_validate(answer).version

    def sweep(self, request: SweepSessionsRequest) -> SweepSessionsResult:
        """End the sessions that nobody needs any more, now."""
        answer = self._invoke(self.outputs["SweepSessionsFunction"], request)
        return SweepSessionsResult.model_validate(answer)

    def start(self, request: PlanRunRequest, run_id: str) -> str:
        """Start the state machine; return the execution's ARN, or that of the run's which runs now.

        A run's executions are numbered, and nobody can take a name that is taken. One that was not
        started here has another name; then TakeLease makes this one wait for it.
        """
        states, machine = self._client("stepfunctions"), self.outputs["OfflineEvalArn"]
        for number in itertools.count(1):
            name = f"{run_id}-{number}"
            execution = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
            try:
                states.start_execution(
                    stateMachineArn=machine, name=name, input=request.model_dump_json()
                )
            except states.exceptions.ExecutionAlreadyExists:
                if states.describe_execution(executionArn=execution)["status"] != "RUNNING":
                    continue
            break
        return execution

    def try_gate(self, request: ChooseDrillRequest) -> str:
        """Start a try of the gate; return the execution's ARN."""
        started = self._client("stepfunctions").start_execution(
            stateMachineArn=self.outputs["TryGateArn"], input=request.model_dump_json()
        )
        return str(started["executionArn"])

    def tried(self, execution: str) -> DrillRow | None:
        """What a try came to; None while it runs.

        Raises:
            BadInput: there was nothing to try.
            DriftgateError: the error it failed with.
        """
        output = self._output(execution)
        if output is None:
            return None
        told = json.loads(output)
        if "reason" in told and "run_id" not in told:
            raise BadInput(told["reason"])
        return DrillRow.model_validate(told)

    def start_batch(self, batch_id: str) -> str:
        """Start the state machine of a stored batch; return the execution's ARN."""
        started = self._client("stepfunctions").start_execution(
            stateMachineArn=self.outputs["BatchEvalArn"],
            input=json.dumps({"batch_id": batch_id, "environment": self.environment}),
        )
        return str(started["executionArn"])

    def progress(self, execution: str) -> tuple[int, int]:
        """How many trials of an execution are done, and of how many; zeros before its map."""
        states = self._client("stepfunctions")
        runs = states.list_map_runs(executionArn=execution)["mapRuns"]
        if not runs:
            return 0, 0
        counts = states.describe_map_run(mapRunArn=runs[0]["mapRunArn"])["itemCounts"]
        done = counts["succeeded"] + counts["failed"] + counts["timedOut"] + counts["aborted"]
        return done, counts["total"]

    def seconds(self, execution: str) -> tuple[float, float]:
        """How long the map of a finished execution took, and how long all of it."""
        states = self._client("stepfunctions")
        (run,) = states.list_map_runs(executionArn=execution)["mapRuns"]
        whole = states.describe_execution(executionArn=execution)
        parts = [(x["startDate"], x["stopDate"]) for x in (run, whole)]
        map_s, whole_s = ((stop - start).total_seconds() for start, stop in parts)
        return map_s, whole_s

    def result(self, execution: str) -> PublishRunResult | None:
        """What a finished execution ended with; None while it runs.

        Raises:
            DriftgateError: the error it failed with, under its own name if it is one of ours.
        """
        output = self._output(execution)
        return None if output is None else PublishRunResult.model_validate_json(output)

    def _output(self, execution: str) -> str | None:
        """The output of an execution, None while it runs; raises what it failed with."""
        found = self._client("stepfunctions").describe_execution(executionArn=execution)
        if found["status"] == "RUNNING":
            return None
        if found["status"] == "SUCCEEDED":
            return str(found["output"])
        raise named_error(found.get("error") or found["status"], found.get("cause") or execution)

    def stop(self, execution: str) -> None:
        self._client("stepfunctions").stop_execution(executionArn=execution)

    def _invoke(self, function: str, request: Record) -> Any:
        answer = self._client("lambda").invoke(
            FunctionName=function, Payload=request.model_dump_json().encode()
        )
        payload = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise named_error(payload.get("errorType", ""), json.dumps(payload))
        return payload


def find(environment: str, client: Clients) -> Deployment:
    """The environment that is deployed in this account and region.

    Raises:
        BadInput: it is not deployed.
        InfrastructureFailed: AWS can't be asked.
    """
    client = cache(client)
    outputs: dict[str, str] = {}
    for stack in ("Data", "Evaluation", "Online"):
        name = f"Driftgate-{environment}-{stack}"
        try:
            found = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                raise BadInput(
                    f"environment {environment}: there is no stack {name}; deploy it first "
                    f"({_HOW.get(environment, 'docs/deploy.md')})"
                ) from error
            raise InfrastructureFailed(f"environment {environment}: {error}") from error
        except NoRegionError as error:
            raise InfrastructureFailed(
                f"environment {environment}: wanted a region, in AWS_DEFAULT_REGION or your AWS "
                "profile; there is none"
            ) from error
        except BotoCoreError as error:
            raise InfrastructureFailed(f"environment {environment}: {error}") from error
        outputs |= {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}
    return Deployment(environment, outputs, client)


def account_client(service: str) -> Any:
    """A client of the account and region that the caller's environment says.

    It waits as long as the slowest function that is called from here, PublishDataset, may take.
    """
    return boto3.client(service, config=Config(read_timeout=310))


def named_error(name: str, cause: str) -> DriftgateError:
    """An error of the cloud under our own name, with the message it was raised with."""
    try:
        told = json.loads(cause)
        message = str(told.get("errorMessage", cause)) if isinstance(told, dict) else cause
    except ValueError:
        message = cause
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, DriftgateError):
        return kind(message)
    return InfrastructureFailed(f"{name}: {message}")
