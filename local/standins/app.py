"""All stand-ins as one application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from driftgate.schemas.manifests import AgentVersion
from local.instances import Instance
from local.standins import gateway
from local.standins.agentcore import AgentCore
from local.standins.batch_evaluations import BatchEvaluations
from local.standins.converse import Converse
from local.standins.datasets import Datasets
from local.standins.deployment import FindDeployment
from local.standins.evaluate import Evaluate
from local.standins.gateway import Gateway
from local.standins.personal_data import PersonalData
from local.standins.questions import Questions
from local.standins.runtimes import Runtimes
from local.standins.wire import ServiceError


def make_app(instance: Instance, find_deployment: FindDeployment, base_url: str) -> Starlette:
    """The application, served at `base_url`. Agents are started from the working directory.

    `find_deployment` is called at the first request that needs it, and again until it succeeds.
    """
    find_deployment = cache(find_deployment)

    def tools_url(agent: AgentVersion) -> str:
        manifest = agent.manifest
        return base_url + gateway.PATH.format(agent=manifest.agent, version=manifest.version)

    tools = Gateway(instance, find_deployment)
    runtimes = Runtimes(instance)
    agentcore = AgentCore(instance, find_deployment, tools_url, Path.cwd(), runtimes)
    questions = Questions(find_deployment)
    judges = [*Converse(questions).routes(), *Evaluate(questions).routes()]
    batches = BatchEvaluations(instance)
    datasets = Datasets(instance)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with tools.run():
            try:
                yield
            finally:
                await agentcore.stop()

    return Starlette(
        routes=[
            Route("/standin/health", health),
            *agentcore.routes(),
            *judges,
            *batches.routes(),
            *datasets.routes(),
            *PersonalData().routes(),
            *runtimes.routes(),
            *tools.routes(),
        ],
        exception_handlers={ServiceError: refused, Exception: broken},
        lifespan=lifespan,
    )


async def health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return error.response()


async def broken(_: Request, error: Exception) -> Response:
    said = f"{type(error).__name__}: {error}"
    return ServiceError("InternalServerException", said).response()
