"""AWS's REST-JSON protocol from the server's side, by botocore's own model of the service."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from uuid import uuid4

import botocore.session
from botocore.model import ServiceModel, Shape
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class ServiceError(Exception):
    """An error of the service, by its name in the model."""

    def __init__(self, name: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.name = name
        self._content = {"message": message, **members}

    def response(self) -> Response:
        error = service().shape_for(self.name).metadata["error"]
        headers = {"x-amzn-errortype": self.name, "x-amzn-requestid": str(uuid4())}
        return JSONResponse(self._content, error["httpStatusCode"], headers)


class Operation:
    """One operation: reads its requests and writes its responses' headers.

    Members must be what the model says, in a request and in a response.
    """

    def __init__(self, name: str) -> None:
        model = service().operation_model(name)
        self._uri: str = model.http["requestUri"]
        self._asked: Any = model.input_shape
        self._answered: Any = model.output_shape

    @property
    def route(self) -> str:
        """The path as a route. An ARN holds a slash, which is encoded in the URL but not here."""
        return re.sub(r"{(\w+)}", r"{\1:path}", self._uri)

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
        members = {payload: body} if payload else {}
        for name, member in shape.members.items():
            source = sources[member.serialization.get("location")]
            key = member.serialization.get("name", name)
            if key in source:
                members[name] = source[key]
        _check(shape, members, shape.required_members)
        return members

    def sent_headers(self, members: Mapping[str, Any]) -> dict[str, str]:
        """The request's members that came in headers, as headers."""
        return _headers(self._asked, members)

    def answer_headers(self, members: Mapping[str, str]) -> dict[str, str]:
        """These members of a response as headers. Raises ServiceError ValidationException."""
        _check(self._answered, members, ())
        return {**_headers(self._answered, members), "x-amzn-requestid": str(uuid4())}


@cache
def operation(name: str) -> Operation:
    return Operation(name)


@cache
def service() -> ServiceModel:
    return botocore.session.Session().get_service_model("bedrock-agentcore")


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
        wrong += [(name, constraint) for constraint in _unmet(shape.members[name], value)]
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


def _unmet(shape: Shape, value: str | bytes) -> Iterator[str]:
    if shape.type_name == "string" and not isinstance(value, str):
        raise _cannot_parse(f"wanted a string for {shape.name}, got {type(value).__name__}")
    limits = shape.metadata
    if len(value) < limits.get("min", 0):
        yield f"Member must have length greater than or equal to {limits['min']}"
    if len(value) > limits.get("max", len(value)):
        yield f"Member must have length less than or equal to {limits['max']}"
    if "pattern" in limits and not re.fullmatch(limits["pattern"], str(value)):
        yield f"Member must satisfy regular expression pattern: {limits['pattern']}"


def _cannot_parse(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, reason="CannotParse")
