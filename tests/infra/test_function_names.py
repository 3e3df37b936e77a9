"""One name, spelled by its place: placeholder, handler, step, settings."""

import importlib
import re
from pathlib import Path

import pytest

from driftgate import settings
from tests.infra.reading import DRAWINGS, flat

LAMBDAS = Path(__file__).parents[2] / "lambdas"
VALUES = {"RunsBucket", "OfflineEval"}  # placeholders for something else than a function
STORIES = {  # drawing -> module
    "offline_eval": "offline",
    "try_gate": "try_gate",
    "attack_baselines": "attack_baselines",
    "batch_eval": "batch",
    "online_eval": "online",
}
STATES = sorted(
    (name, STORIES[file.name.removesuffix(".asl.json")])
    for file in DRAWINGS.glob("*.asl.json")
    for name in set(re.findall(r"\$\{(\w+)\}", file.read_text())) - VALUES
)
BESIDE_THE_WINDOWS = ("IngestSpans", "RecordFeedback", "CalibrateMonitors", "MineFailures")
FUNCTIONS = [
    *(name for name, _ in STATES),
    *("PublishDataset", "CallTool", "InterceptTools", "AnswerPipeline", "SweepSessions"),
    *BESIDE_THE_WINDOWS,
]


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_every_function_and_nothing_else_is_deployed(prod):
    assert sorted(prod.functions()) == sorted(snake(name) for name in FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_finds_in_its_environment_what_its_settings_want(prod, name):
    variables = prod.functions()[snake(name)]["Environment"]["Variables"]
    known = {key: flat(value) for key, value in variables.items()}
    wanted = getattr(settings, f"{name}Settings")

    assert wanted.from_environment(known).to_environment().items() <= known.items()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_handler(name):
    assert callable(importlib.import_module(f"lambdas.{snake(name)}").handler)


def test_every_handler_is_deployed(prod):
    assert {file.stem for file in LAMBDAS.glob("*.py")} - {"__init__"} == set(prod.functions())


@pytest.mark.parametrize(
    ("name", "story"),
    [
        *STATES,
        *(("PublishDataset", "curation"), ("AnswerPipeline", "pipelines")),
        ("SweepSessions", "sweeping"),
        *((name, "online") for name in BESIDE_THE_WINDOWS),
    ],
)
def test_a_function_has_a_step_in_its_story(name, story):
    assert callable(getattr(importlib.import_module(f"driftgate.{story}"), snake(name)))
