"""The templates of an environment, synthesized once. Layers stay empty: nobody reads them."""

from collections.abc import Callable
from functools import cache

import pytest

from stacks.platform import build
from tests.infra.reading import Synthesized

NO_BUNDLING = {"aws:cdk:bundling-stacks": []}


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Synthesized]:
    @cache
    def synthesize(environment: str) -> Synthesized:
        folder = tmp_path_factory.mktemp(environment)
        build({**NO_BUNDLING, "environment": environment}, outdir=str(folder)).synth()
        return Synthesized(folder, environment)

    return synthesize


@pytest.fixture(scope="session")
def prod(synthesized: Callable[[str], Synthesized]) -> Synthesized:
    return synthesized("prod")


@pytest.fixture(scope="session")
def local(synthesized: Callable[[str], Synthesized]) -> Synthesized:
    return synthesized("local")
