"""Datasets of AgentCore, over its control plane: all that knows these requests."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from driftgate import canonical
from driftgate.adapters.batch_evaluations import named_error
from driftgate.errors import BadInput, InfrastructureFailed
from driftgate.schemas.exchanges import Example, ForeignDataset, SchemaType

AT_ONCE = 1000  # examples in one request
INLINE_BYTES = 5_000_000  # and their size
POLLS, POLL_S = 120, 1.0
ID = "exampleId"  # that the service gives to each


class AgentCoreDatasets:
    """The datasets of one account. Changes take effect later, so each is waited for."""

    def __init__(self, control: Any, sleep: Callable[[float], None]) -> None:
        self._control = control
        self._sleep = sleep

    def find(self, dataset_id: str, version: str | None) -> ForeignDataset | None:
        id = dataset_id.rpartition("/")[2]
        try:
            found = self._control.get_dataset(datasetId=id, datasetVersion=version or "DRAFT")
            if version is None:
                newest = self._newest(id)
                return None if newest is None else _dataset({**found, "datasetVersion": newest})
            return _dataset(found)
        except self._control.exceptions.ResourceNotFoundException:
            return None
        except (ClientError, BotoCoreError) as error:
            raise named_error(error) from error

    def examples(self, there: ForeignDataset) -> Sequence[Example]:
        listed = self._listed(there.dataset_id, there.version)
        return [{key: value for key, value in one.items() if key != ID} for one in listed]

    def publish(self, name: str, schema: SchemaType, examples: Sequence[Example]) -> ForeignDataset:
        size = len(json.dumps(examples))  # as it is sent, with other letters than ASCII escaped
        if size > INLINE_BYTES:
            raise BadInput(
                f"dataset {name}: wanted at most {INLINE_BYTES} bytes of examples, got {size}"
            )
        source = {"inlineExamples": {"examples": list(examples)}}
        id = self._of_name(name, schema)
        if id is None:
            created = self._called(
                "create_dataset",
                datasetName=name,
                schemaType=schema,
                source=source,
                clientToken=canonical.sha256(canonical.dump([name, schema, *examples])),
            )
            id = str(created["datasetId"])
            self._wait(id)
        else:
            self._wait(id)
            if old := [str(one[ID]) for one in self._listed(id, "DRAFT")]:
                self._called("delete_dataset_examples", datasetId=id, exampleIds=old)
                self._wait(id)
            self._called("add_dataset_examples", datasetId=id, source=source)
            self._wait(id)
        version = self._called("create_dataset_version", datasetId=id)["datasetVersion"]
        self._wait(id)
        return _dataset(self._called("get_dataset", datasetId=id, datasetVersion=version))

    def _of_name(self, name: str, schema: SchemaType) -> str | None:
        for one in self._pages("list_datasets", "datasets", maxResults=100):
            if one["datasetName"] == name:
                there = one.get("schemaType")
                if there != schema:
                    raise BadInput(f"dataset {name} in AgentCore: wanted {schema}, it is {there}")
                return str(one["datasetId"])
        return None

    def _newest(self, id: str) -> str | None:
        versions = self._pages("list_dataset_versions", "versions", datasetId=id)
        numbers = [int(v["datasetVersion"]) for v in versions if v["datasetVersion"].isdigit()]
        return str(max(numbers)) if numbers else None

    def _listed(self, id: str, version: str) -> list[dict[str, Any]]:
        asked = {"datasetId": id, "datasetVersion": version, "maxResults": AT_ONCE}
        return [
            json.loads(json.dumps(one))  # a document's numbers may be of botocore's own kind
            for one in self._pages("list_dataset_examples", "examples", **asked)
        ]

    def _pages(self, operation: str, member: str, **asked: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            answer = self._called(operation, **asked)
            found += answer[member]
            if not answer.get("nextToken"):
                return found
            asked["nextToken"] = answer["nextToken"]

    def _wait(self, id: str) -> None:
        """Until the draft is ACTIVE again. Raises InfrastructureFailed if it will not be."""
        for _ in range(POLLS):
            found = self._called("get_dataset", datasetId=id)
            if found["status"] == "ACTIVE":
                return
            if found["status"].endswith("_FAILED"):
                why = found.get("failureReason", "no reason given")
                raise InfrastructureFailed(f"dataset {id} is {found['status']}: {why}")
            self._sleep(POLL_S)
        raise InfrastructureFailed(f"dataset {id} is {found['status']} after {POLLS} looks")

    def _called(self, operation: str, **asked: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._control, operation)(**asked)
        except (ClientError, BotoCoreError) as error:
            raise named_error(error) from error
        return answer


def _dataset(answer: dict[str, Any]) -> ForeignDataset:
    return ForeignDataset(
        dataset_id=answer["datasetId"],
        arn=answer["datasetArn"],
        name=answer["datasetName"],
        version=answer["datasetVersion"],
        schema_type=answer["schemaType"],
    )
