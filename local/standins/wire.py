"""AWS's REST-JSON protocol from the server's side, by botocore's own model of the service."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from uuid import uuid4

import botocore.session
from anyio import to_thread
from botocore.model import ServiceModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CONTROL_PLANE = "bedrock-agentcore-control"
SERVICES = ("bedrock-agentcore", "bedrock-runtime", CONTROL_PLANE, "comprehend")


class ServiceError(Exception):
    """An error of the service, by its name in the model."""

    def __init__(self, name: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.name = name
        self._content = {"message": message, **members}

    def response(self) -> Response:
        models = (service(name) for name in SERVICES)
        known = next(model for model in models if self.name in model.shape_names)
        error = known.shape_for(self.name).metadata["error"]
        headers = {"x-amzn-errortype": self.name, "x-amzn-requestid": str(uuid4())}
        content = {"__type": self.name, **self._content}  # where JSON 1.1 looks for the name
        return JSONResponse(content, error["httpStatusCode"], headers)


class Operation:
    """One operation: reads its requests and writes its responses.

    Members must be what the model says, in a request and in a response, however deep they lie.
    """

    def __init__(self, name: str, of: str) -> None:
        model = service(of).operation_model(name)
        self._uri: str = model.http["requestUri"]
        self._status: int = model.http.get("responseCode", 200)
        self._method: str = model.http["method"]
        self._asked: Any = model.input_shape
        self._answered: Any = model.output_shape

    @property
    def route(self) -> str:
        """The path as a route. An ARN holds a slash, which is encoded in the URL but not here."""
        return re.sub(r"{(\w+)}", r"{\1:path}", self._uri)

    @property
    def answered(self) -> Mapping[str, Any]:
        """The members of its response, by the model."""
        members: Mapping[str, Any] = self._answered.members
        return members

    def served_by(self, does: Callable[[dict[str, Any]], dict[str, Any]]) -> Route:
        """A route at which a function from a request's members to a response's serves this."""

        async def endpoint(request: Request) -> Response:
            asked = self.read(request, await request.body())
            return self.answer(await to_thread.run_sync(does, asked))

        return Route(self.route, endpoint, methods=[self._method])

    def read(self, request: Request, body: bytes) -> dict[str, Any]:
        """The members that were sent. Raises ServiceError ValidationException."""
        shape = self._asked
        payload = shape.serialization.get("payload")
        sources: dict[str | None, Mapping[str, Any]] = {
            "uri": request.path_params,
            "querystring": request.query_params,
            "header": request.headers,
            None: {} if payload else _document(body),
        }
        members: dict[str, Any] = {payload: body} if payload else {}
        for name, member in shape.members.items():
            location = member.serialization.get("location")
            source, key = sources[location], member.serialization.get("name", name)
            if key in source:
                members[name] = source[key]
                if location == "querystring" and member.type_name == "integer":
                    members[name] = _whole(key, source[key])
        if not payload:
            known = {member.serialization.get("name", n) for n, member in shape.members.items()}
            _refuse_extraneous(sorted(set(sources[None]) - known))
        _check(shape, members, shape.required_members)
        return members

    def answer(self, members: Mapping[str, Any]) -> Response:
        """A response whose members are all in its body. Raises ValidationException if the model
        forbids one: then it is the stand-in that is wrong.
        """
        _check(self._answered, members, self._answered.required_members)
        headers = {"x-amzn-requestid": str(uuid4())}
        return JSONResponse(_written(self._answered, members), self._status, headers)

    def sent_headers(self, members: Mapping[str, Any]) -> dict[str, str]:
        """The request's members that came in headers, as headers."""
        return _headers(self._asked, members)

    def answer_headers(self, members: Mapping[str, str]) -> dict[str, str]:
        """These members of a response as headers. Raises ServiceError ValidationException."""
        _check(self._answered, members, ())
        return {**_headers(self._answered, members), "x-amzn-requestid": str(uuid4())}


@cache
def operation(name: str, of: str = SERVICES[0]) -> Operation:
    return Operation(name, of)


@cache
def service(name: str) -> ServiceModel:
    return botocore.session.Session().get_service_model(name)


def _headers(shape: Any, members: Mapping[str, Any]) -> dict[str, str]:
    return {
        member.serialization["name"]: members[name]
        for name, member in shape.members.items()
        if member.serialization.get("location") == "header" and name in members
    }


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise _cannot_parse(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise _cannot_parse("the body is not a JSON object")
    return document


def _check(shape: Any, members: Mapping[str, Any], required: Any) -> None:
    """Compare members with the model, and say all that is wrong as AWS does."""
    wrong = [(name, "Member must not be null") for name in required if name not in members]
    for name, value in members.items():
        wrong += _unmet(shape.members[name], value, name)
    if not wrong:
        return
    said = "; ".join(f"Value at '{name}' failed to satisfy constraint: {c}" for name, c in wrong)
    count = "1 validation error" if len(wrong) == 1 else f"{len(wrong)} validation errors"
    raise ServiceError(
        "ValidationException",
        f"{count} detected: {said}",
        reason="FieldValidationFailed",
        fieldList=[{"name": name, "message": constraint} for name, constraint in wrong],
    )


def _unmet(shape: Any, value: Any, place: str) -> Iterator[tuple[str, str]]:
    """What of a value the model forbids: where, and which constraint."""
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return  # any JSON
    if type(value) not in _TYPES.get(kind, (str,)):
        raise _cannot_parse(f"wanted a {kind} at {place}, got {type(value).__name__}")
    yield from ((place, constraint) for constraint in _broken(shape.metadata, kind, value))
    match kind:
        case "list":
            for index, inner in enumerate(value):
                yield from _unmet(shape.member, inner, f"{place}.{index}")
        case "map":
            for name, inner in value.items():
                yield from _unmet(shape.key, name, f"{place}.{name}")
                yield from _unmet(shape.value, inner, f"{place}.{name}")
        case "structure":
            yield from _unmet_members(shape, value, place)


def _broken(limits: Mapping[str, Any], kind: str, value: Any) -> Iterator[str]:
    measured = kind in ("string", "list", "map", "blob")
    what, size = ("length", len(value)) if measured else ("value", value)
    if "min" in limits and size < limits["min"]:
        yield f"Member must have {what} greater than or equal to {limits['min']}"
    if "max" in limits and size > limits["max"]:
        yield f"Member must have {what} less than or equal to {limits['max']}"
    if "pattern" in limits and not re.fullmatch(limits["pattern"], str(value)):
        yield f"Member must satisfy regular expression pattern: {limits['pattern']}"
    if "enum" in limits and value not in limits["enum"]:
        yield f"Member must satisfy enum value set: {limits['enum']}"


def _unmet_members(shape: Any, value: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    _refuse_extraneous([f"{place}.{name}" for name in sorted(set(value) - set(shape.members))])
    given = {name: inner for name, inner in value.items() if inner is not None}
    if getattr(shape, "is_tagged_union", False) and len(given) != 1:
        raise _cannot_parse(f"wanted one member of the union {shape.name} at {place}")
    for name in shape.required_members:
        if name not in given:
            yield f"{place}.{name}", "Member must not be null"
    for name, inner in given.items():
        yield from _unmet(shape.members[name], inner, f"{place}.{name}")


_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "blob": (str, bytes),
    "timestamp": (str, int, float, datetime),
}


def _written(shape: Any, value: Any) -> Any:
    """A value as it goes over the wire: moments as the model writes them."""
    match shape.type_name:
        case "structure" if not getattr(shape, "is_document_type", False):
            return {name: _written(shape.members[name], inner) for name, inner in value.items()}
        case "list":
            return [_written(shape.member, inner) for inner in value]
        case "timestamp" if isinstance(value, datetime):
            iso = shape.serialization.get("timestampFormat") == "iso8601"
            return value.isoformat() if iso else value.timestamp()
    return value


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise _cannot_parse(f"wanted an integer at {name}, got {text!r}") from error


def _refuse_extraneous(names: list[str]) -> None:
    if names:
        raise _cannot_parse(f"extraneous key [{names[0]}] is not permitted")


def _cannot_parse(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, reason="CannotParse")
