"""AgentCore's control plane of runtimes, in memory: versions, and endpoints that serve them.

A change takes effect at the next look: until then a runtime is CREATING or UPDATING, an endpoint
too, and what is DELETING is still there.
"""

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

ENDPOINTS = 10  # of a runtime, DEFAULT with them; whether AWS counts DEFAULT is not known
DEFAULT = "DEFAULT"
DEFAULTS = {"lifecycleConfiguration": {"idleRuntimeSessionTimeout": 900, "maxLifetime": 28800}}
NO_PART = ("agentRuntimeId", "agentRuntimeName", "clientToken", "tags")  # of what a version is


@dataclass
class Version:
    definition: dict[str, Any]
    status: str = "UPDATING"


@dataclass
class Endpoint:
    id: str
    target: str
    created: datetime
    live: str | None = None
    status: str = "CREATING"


@dataclass
class Runtime:
    id: str
    name: str
    created: datetime
    versions: dict[str, Version] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)  # client token -> the version it made

    @property
    def latest(self) -> str:
        return max(self.versions, key=int)


class Runtimes:
    """All of one account's runtimes. They are forgotten when the process ends."""

    def __init__(self, instance: Instance) -> None:
        self._arn = f"arn:aws:bedrock-agentcore:{instance.region}:{instance.account}:runtime/"
        self._runtimes: dict[str, Runtime] = {}
        self._numbers = count(1)
        self._lock = Lock()

    def routes(self) -> list[Route]:
        served: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateAgentRuntimeEndpoint": self.create_endpoint,  # before what its path begins with
            "ListAgentRuntimeEndpoints": self.list_endpoints,
            "GetAgentRuntimeEndpoint": self.get_endpoint,
            "UpdateAgentRuntimeEndpoint": self.update_endpoint,
            "DeleteAgentRuntimeEndpoint": self.delete_endpoint,
            "CreateAgentRuntime": self.create,
            "GetAgentRuntime": self.get,
            "UpdateAgentRuntime": self.update,
        }
        return [
            operation(name, CONTROL_PLANE).served_by(partial(self._alone, does))
            for name, does in served.items()
        ]

    def served(self, arn: str, qualifier: str) -> dict[str, Any] | None:
        """The definition of the version that an endpoint serves; None: there is none."""
        with self._lock:
            runtime = self._runtimes.get(arn.removeprefix(self._arn))
            endpoint = runtime.endpoints.get(qualifier) if runtime else None
            if runtime is None or endpoint is None or endpoint.live is None:
                return None
            return deepcopy(runtime.versions[endpoint.live].definition)

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["agentRuntimeName"]
        if any(one.name == name for one in self._runtimes.values()):
            raise _conflict(f"There is a runtime {name} already")
        runtime = Runtime(self._id(name), name, datetime.now(UTC))
        self._runtimes[runtime.id] = runtime
        runtime.versions["1"] = Version(_definition(asked), "CREATING")
        runtime.endpoints[DEFAULT] = Endpoint(self._id(DEFAULT), "1", runtime.created)
        return {
            **self._about(runtime, "1"),
            "createdAt": runtime.created,
        }

    def get(self, asked: dict[str, Any]) -> dict[str, Any]:
        runtime = self._runtime(asked)
        number = asked.get("agentRuntimeVersion", runtime.latest)
        if number not in runtime.versions:
            raise _unknown(f"There is no version {number} of runtime {runtime.id}")
        version = runtime.versions[number]
        answer = {
            **DEFAULTS,
            **deepcopy(version.definition),
            **self._about(runtime, number),
            "agentRuntimeName": runtime.name,
            "createdAt": runtime.created,
            "lastUpdatedAt": datetime.now(UTC),
        }
        version.status = "READY"
        return answer

    def update(self, asked: dict[str, Any]) -> dict[str, Any]:
        runtime = self._runtime(asked)
        number = runtime.tokens.get(asked.get("clientToken", ""))
        if number is None:
            if runtime.versions[runtime.latest].status != "READY":
                raise _conflict(f"runtime {runtime.id} is being changed")
            number = str(int(runtime.latest) + 1)
            runtime.versions[number] = Version(_definition(asked))
            runtime.endpoints[DEFAULT].target = number
            runtime.endpoints[DEFAULT].status = "UPDATING"
            if "clientToken" in asked:
                runtime.tokens[asked["clientToken"]] = number
        return {
            **self._about(runtime, number),
            "createdAt": runtime.created,
            "lastUpdatedAt": datetime.now(UTC),
        }

    def create_endpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        runtime, name = self._runtime(asked), asked["name"]
        if name in runtime.endpoints:
            raise _conflict(f"There is an endpoint {name} of runtime {runtime.id} already")
        if len(runtime.endpoints) >= ENDPOINTS:
            said = f"A runtime has at most {ENDPOINTS} endpoints"
            raise ServiceError("ServiceQuotaExceededException", said)
        number = self._ready_version(runtime, asked)
        made = runtime.endpoints[name] = Endpoint(self._id(name), number, datetime.now(UTC))
        return {
            **self._named(runtime, name),
            "agentRuntimeId": runtime.id,
            "endpointName": name,
            "targetVersion": number,
            "status": made.status,
            "createdAt": made.created,
        }

    def get_endpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        runtime, name, endpoint = self._endpoint(asked)
        answer = {**self._listed(runtime, name), "name": name, "id": endpoint.id}
        if endpoint.status == "DELETING":
            del runtime.endpoints[name]
        else:
            endpoint.live, endpoint.status = endpoint.target, "READY"
        return answer

    def update_endpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        runtime, name, endpoint = self._endpoint(asked)
        endpoint.target, endpoint.status = self._ready_version(runtime, asked), "UPDATING"
        answer = self._listed(runtime, name)
        return {key: answer[key] for key in operation(*_UPDATED).answered if key in answer}

    def delete_endpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        runtime, name, endpoint = self._endpoint(asked)
        if name == DEFAULT or endpoint.status == "DELETING":
            raise _conflict(f"endpoint {name} of runtime {runtime.id} can't be deleted")
        endpoint.status = "DELETING"
        return {"status": "DELETING", "agentRuntimeId": runtime.id, "endpointName": name}

    def list_endpoints(self, asked: dict[str, Any]) -> dict[str, Any]:
        runtime = self._runtime(asked)
        start, size = int(asked.get("nextToken", 0)), asked.get("maxResults", 5)
        names = sorted(runtime.endpoints)
        page = [
            {**self._listed(runtime, name), "name": name, "id": runtime.endpoints[name].id}
            for name in names[start : start + size]
        ]
        more = {"nextToken": str(start + size)} if start + size < len(names) else {}
        return {"runtimeEndpoints": page, **more}

    def _id(self, name: str) -> str:
        return f"{name}-{next(self._numbers):010}"

    def _listed(self, runtime: Runtime, name: str) -> dict[str, Any]:
        endpoint = runtime.endpoints[name]
        live = {} if endpoint.live is None else {"liveVersion": endpoint.live}
        return {
            **self._named(runtime, name),
            **live,
            "targetVersion": endpoint.target,
            "status": endpoint.status,
            "createdAt": endpoint.created,
            "lastUpdatedAt": datetime.now(UTC),
        }

    def _named(self, runtime: Runtime, name: str) -> dict[str, Any]:
        arn = self._arn + runtime.id
        return {
            "agentRuntimeArn": arn,
            "agentRuntimeEndpointArn": f"{arn}/runtime-endpoint/{name}",
        }

    def _about(self, runtime: Runtime, number: str) -> dict[str, Any]:
        return {
            "agentRuntimeArn": self._arn + runtime.id,
            "agentRuntimeId": runtime.id,
            "agentRuntimeVersion": number,
            "status": runtime.versions[number].status,
        }

    def _ready_version(self, runtime: Runtime, asked: Mapping[str, Any]) -> str:
        number = str(asked.get("agentRuntimeVersion", runtime.latest))
        if number not in runtime.versions:
            raise _unknown(f"There is no version {number} of runtime {runtime.id}")
        if runtime.versions[number].status != "READY":
            raise _conflict(f"version {number} of runtime {runtime.id} is not ready")
        return number

    def _runtime(self, asked: Mapping[str, Any]) -> Runtime:
        id = asked["agentRuntimeId"]
        if id not in self._runtimes:
            raise _unknown(f"There is no runtime {id}")
        return self._runtimes[id]

    def _endpoint(self, asked: Mapping[str, Any]) -> tuple[Runtime, str, Endpoint]:
        runtime, name = self._runtime(asked), asked["endpointName"]
        if name not in runtime.endpoints:
            raise _unknown(f"There is no endpoint {name} of runtime {runtime.id}")
        return runtime, name, runtime.endpoints[name]

    def _alone(
        self, does: Callable[[dict[str, Any]], dict[str, Any]], asked: dict[str, Any]
    ) -> dict[str, Any]:
        with self._lock:
            return does(asked)


_UPDATED = ("UpdateAgentRuntimeEndpoint", CONTROL_PLANE)


def _definition(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {key: deepcopy(value) for key, value in asked.items() if key not in NO_PART}


def _unknown(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message)


def _conflict(message: str) -> ServiceError:
    return ServiceError("ConflictException", message)
