"""AgentCore's evaluation datasets, in memory: a draft, and the versions published from it.

A change takes effect at the next look: until then a dataset is CREATING or UPDATING, and refuses
other changes.
"""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from threading import Lock
from typing import Any

from starlette.routing import Route

from local.instances import Instance
from local.standins.wire import CONTROL_PLANE, ServiceError, operation

DRAFT = "DRAFT"
EXAMPLES = 1000  # in a draft
INLINE_BYTES = 5 * 1024 * 1024
ID = "exampleId"
REQUIRED = {
    "AGENTCORE_EVALUATION_PREDEFINED_V1": ("scenario_id", "turns"),
    "AGENTCORE_EVALUATION_SIMULATED_V1": ("scenario_id", "actor_profile", "input"),
    "THIRD_PARTY_EVALUATION_V1": (),
}
Examples = list[dict[str, Any]]


@dataclass
class Dataset:
    id: str
    name: str
    schema: str
    created: datetime
    status: str = "CREATING"
    draft_status: str = "MODIFIED"
    draft: Examples = field(default_factory=list)
    versions: dict[str, Examples] = field(default_factory=dict)

    def examples(self, version: str) -> Examples:
        if version == DRAFT:
            return self.draft
        if version not in self.versions:
            raise _unknown(f"There is no version {version} of dataset {self.id}")
        return self.versions[version]


class Datasets:
    """All of one account's datasets. They are forgotten when the process ends."""

    def __init__(self, instance: Instance) -> None:
        self._arn = f"arn:aws:bedrock-agentcore:{instance.region}:{instance.account}:dataset/"
        self._datasets: dict[str, Dataset] = {}
        self._numbers = count(1)
        self._tokens: dict[str, str] = {}
        self._lock = Lock()

    def routes(self) -> list[Route]:
        served: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "ListDatasets": self.list_datasets,
            "CreateDataset": self.create,
            "AddDatasetExamples": self.add,
            "DeleteDatasetExamples": self.delete_examples,
            "ListDatasetExamples": self.list_examples,
            "ListDatasetVersions": self.list_versions,
            "CreateDatasetVersion": self.publish,
            "GetDataset": self.get,
        }
        return [
            operation(name, CONTROL_PLANE).served_by(partial(self._alone, does))
            for name, does in served.items()
        ]

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        token = asked.get("clientToken")
        if token in self._tokens:
            return self._changed(self._datasets[self._tokens[token]], "createdAt")
        if any(one.name == asked["datasetName"] for one in self._datasets.values()):
            raise _conflict(f"There is a dataset {asked['datasetName']} already")
        schema = asked.get("schemaType", "AGENTCORE_EVALUATION_PREDEFINED_V1")
        id = f"{asked['datasetName']}-{next(self._numbers):010}"
        made = Dataset(id, asked["datasetName"], schema, datetime.now(UTC))
        made.draft = self._accepted(made, asked.get("source"))
        self._datasets[id] = made
        if token:
            self._tokens[token] = id
        return self._changed(made, "createdAt")

    def add(self, asked: dict[str, Any]) -> dict[str, Any]:
        dataset = self._open(asked)
        added = self._accepted(dataset, asked["source"])
        if len(dataset.draft) + len(added) > EXAMPLES:
            raise ServiceError(
                "ServiceQuotaExceededException", f"A draft has at most {EXAMPLES} examples"
            )
        dataset.draft = [*dataset.draft, *added]
        dataset.status, dataset.draft_status = "UPDATING", "MODIFIED"
        ids = [one[ID] for one in added]
        return {**self._changed(dataset), "addedCount": len(added), "exampleIds": ids}

    def delete_examples(self, asked: dict[str, Any]) -> dict[str, Any]:
        dataset, gone = self._open(asked), set(asked["exampleIds"])
        if unknown := gone - {one[ID] for one in dataset.draft}:
            raise _unknown(f"There are no examples {sorted(unknown)} in the draft")
        dataset.draft = [one for one in dataset.draft if one[ID] not in gone]
        dataset.status, dataset.draft_status = "UPDATING", "MODIFIED"
        return {**self._changed(dataset), "deletedCount": len(gone)}

    def publish(self, asked: dict[str, Any]) -> dict[str, Any]:
        dataset = self._open(asked)
        version = str(len(dataset.versions) + 1)
        dataset.versions[version] = deepcopy(dataset.draft)
        dataset.status, dataset.draft_status = "UPDATING", "UNMODIFIED"
        return {**self._changed(dataset, "createdAt"), "datasetVersion": version}

    def get(self, asked: dict[str, Any]) -> dict[str, Any]:
        dataset, version = self._dataset(asked), asked.get("datasetVersion", DRAFT)
        examples = dataset.examples(version)
        answer = {
            **self._about(dataset),
            "datasetVersion": version,
            "draftStatus": dataset.draft_status,
            "exampleCount": len(examples),
        }
        dataset.status = "ACTIVE"
        return answer

    def list_datasets(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = [
            {**self._about(one), "exampleCount": len(one.draft)} for one in self._datasets.values()
        ]
        return _page("datasets", found, asked, 100)

    def list_versions(self, asked: dict[str, Any]) -> dict[str, Any]:
        dataset = self._dataset(asked)
        found = [
            {"datasetVersion": version, "exampleCount": len(ones), "createdAt": dataset.created}
            for version, ones in dataset.versions.items()
        ]
        return _page("versions", found, asked, 100)

    def list_examples(self, asked: dict[str, Any]) -> dict[str, Any]:
        dataset, version = self._dataset(asked), asked.get("datasetVersion", DRAFT)
        page = _page("examples", dataset.examples(version), asked, 1000)
        about = {"datasetArn": self._arn + dataset.id, "datasetId": dataset.id}
        return {**about, "datasetVersion": version, **page}

    def _alone(
        self, does: Callable[[dict[str, Any]], dict[str, Any]], asked: dict[str, Any]
    ) -> dict[str, Any]:
        with self._lock:
            return does(asked)

    def _accepted(self, dataset: Dataset, source: Mapping[str, Any] | None) -> Examples:
        """The examples of a request, all of them or none, with ids of their own."""
        given = (source or {}).get("inlineExamples", {}).get("examples", [])
        if len(json.dumps(given)) > INLINE_BYTES:
            raise _invalid("inlineExamples: more than 5 MB")
        for number, one in enumerate(given, start=1):
            for name in REQUIRED[dataset.schema]:
                if name not in one:
                    raise _invalid(f"example {number}: {name} is required")
            for turn in one.get("turns", []):
                if "input" not in turn:
                    raise _invalid(f"example {number}: a turn has no input")
        return [{**one, ID: f"e{next(self._numbers):010}"} for one in given]

    def _dataset(self, asked: dict[str, Any]) -> Dataset:
        if asked["datasetId"] not in self._datasets:
            raise _unknown(f"There is no dataset {asked['datasetId']}")
        return self._datasets[asked["datasetId"]]

    def _open(self, asked: dict[str, Any]) -> Dataset:
        dataset = self._dataset(asked)
        if dataset.status != "ACTIVE":
            raise _conflict(f"dataset {dataset.id} is {dataset.status}")
        return dataset

    def _about(self, dataset: Dataset) -> dict[str, Any]:
        return {
            **self._changed(dataset, "createdAt"),
            "datasetName": dataset.name,
            "schemaType": dataset.schema,
            "updatedAt": datetime.now(UTC),
        }

    def _changed(self, dataset: Dataset, moment: str = "updatedAt") -> dict[str, Any]:
        return {
            "datasetArn": self._arn + dataset.id,
            "datasetId": dataset.id,
            "status": dataset.status,
            moment: dataset.created if moment == "createdAt" else datetime.now(UTC),
        }


def _page(member: str, found: list[Any], asked: Mapping[str, Any], most: int) -> dict[str, Any]:
    start, size = int(asked.get("nextToken", 0)), asked.get("maxResults", most)
    more = {"nextToken": str(start + size)} if start + size < len(found) else {}
    return {member: found[start : start + size], **more}


def _unknown(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message)


def _conflict(message: str) -> ServiceError:
    return ServiceError("ConflictException", message)


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, reason="FieldValidationFailed")
