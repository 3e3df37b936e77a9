"""What goes wrong with a stand-in on purpose, and how often it was asked."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.standins.wire import ServiceError


class Disturbance:
    """GET its path tells {"asked": n}. POST sets `latency_s`, `faults` (for the next requests, one
    each; "ok" is none) and `always` (for all after them), and tells the same.

    Args:
        errors: faults that are errors of the service: name and message.
        others: the faults that the stand-in itself knows how to make.
    """

    def __init__(
        self, path: str, errors: Mapping[str, tuple[str, str]], others: tuple[str, ...]
    ) -> None:
        self._path = path
        self._errors = errors
        self._known = ("ok", *errors, *others)
        self._asked = 0
        self._latency_s = 0.0
        self._faults: list[str] = []
        self._always: str | None = None

    def routes(self) -> list[Route]:
        return [Route(self._path, self.tell), Route(self._path, self.disturb, methods=["POST"])]

    async def tell(self, _: Request) -> Response:
        return JSONResponse({"asked": self._asked})

    async def disturb(self, request: Request) -> Response:
        wanted = await request.json()
        faults, always = list(wanted.get("faults", [])), wanted.get("always")
        if {*faults, always} - {*self._known, None}:
            return JSONResponse({"wanted": self._known}, 400)
        self._latency_s = float(wanted.get("latency_s", 0))
        self._faults, self._always = faults, always
        return JSONResponse({"asked": self._asked})

    async def next(self) -> str | None:
        """Count a request, take its time, and say what goes wrong. Raises ServiceError."""
        self._asked += 1
        fault = self._faults.pop(0) if self._faults else self._always
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        if fault is not None and fault in self._errors:
            raise ServiceError(*self._errors[fault])
        return fault
