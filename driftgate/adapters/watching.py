"""The watch over production of a deployed environment, as the command line sees it."""

import json
from typing import Any

from driftgate.adapters.aws import DynamoRegistry, S3Artifacts, sessions_table
from driftgate.adapters.deployment import Clients, Deployment
from driftgate.errors import BadInput, InfrastructureFailed
from driftgate.schemas.online import Watch

PATTERN = '"session.id"'  # a term: whatever else goes to the log group is not ours
SLOTS = 2  # subscription filters that a log group can have


class Watching:
    def __init__(self, deployment: Deployment, client: Clients) -> None:
        self.environment = deployment.environment
        self._outputs = deployment.outputs
        if "OnlineEvalArn" not in self._outputs:
            raise BadInput(
                f"environment {self.environment}: there is no stack "
                f"Driftgate-{self.environment}-Online; deploy it first"
            )
        traces = S3Artifacts(client("s3"), self._outputs["TracesBucket"])
        self.registry = deployment.registry
        self.traces = traces
        self.watched = sessions_table(client("dynamodb"), self._outputs["SessionsTable"], traces)
        self.reviews = DynamoRegistry(client("dynamodb"), self._outputs["ReviewsTable"], traces)
        self.watch = Watch.model_validate_json(self._outputs["Watch"])
        self._client = client

    @property
    def _filter_name(self) -> str:
        return f"driftgate-{self.environment}"

    def subscribe(self, log_group: str) -> bool:
        """Let IngestSpans have what a log group gets from now on; False if it has it already.

        Raises:
            BadInput: there is no such log group, or both its slots are taken; by whom is told.
        """
        logs = self._client("logs")
        try:
            found = logs.describe_subscription_filters(logGroupName=log_group)
        except logs.exceptions.ResourceNotFoundException as error:
            raise BadInput(
                f"log group {log_group}: there is none in this account and region"
            ) from error
        filters = found["subscriptionFilters"]
        wanted = {
            "filterName": self._filter_name,
            "filterPattern": PATTERN,
            "destinationArn": self._outputs["IngestSpansArn"],
        }
        if any(all(one.get(k) == v for k, v in wanted.items()) for one in filters):
            return False
        others = [one for one in filters if one["filterName"] != self._filter_name]
        if len(others) >= SLOTS:
            taken = ", ".join(f"{one['filterName']} ({one['destinationArn']})" for one in others)
            raise BadInput(
                f"log group {log_group}: wanted a free subscription filter, both are taken: "
                f"{taken}; remove one, or let it go to a Kinesis stream and that to both"
            )
        logs.put_subscription_filter(logGroupName=log_group, **wanted)
        return True

    def unsubscribe(self, log_group: str) -> bool:
        """Take our filter away; False if there is none."""
        logs = self._client("logs")
        try:
            logs.delete_subscription_filter(logGroupName=log_group, filterName=self._filter_name)
        except logs.exceptions.ResourceNotFoundException:
            return False
        return True

    def tick(self) -> str:
        """Start a tick now; return the execution's ARN."""
        started = self._client("stepfunctions").start_execution(
            stateMachineArn=self._outputs["OnlineEvalArn"]
        )
        return str(started["executionArn"])

    def ticked(self, execution: str) -> bool:
        """Whether a tick has ended. Raises InfrastructureFailed if it ended badly."""
        found = self._client("stepfunctions").describe_execution(executionArn=execution)
        if found["status"] == "RUNNING":
            return False
        if found["status"] != "SUCCEEDED":
            raise InfrastructureFailed(f"{execution}: {found['status']}: {found.get('cause', '')}")
        return True

    def announce(self, detail_type: str, detail: dict[str, Any]) -> None:
        """Put an event on the account's bus. Raises InfrastructureFailed if it is refused."""
        entry = {"Source": "driftgate", "DetailType": detail_type, "Detail": json.dumps(detail)}
        answer = self._client("events").put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise InfrastructureFailed(f"the event was refused: {answer['Entries'][0]}")
