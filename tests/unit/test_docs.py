"""What the documents say is what the code does."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator

import mock_tools
from driftgate import names
from driftgate.agentkit import serve
from driftgate.cli.main import app

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("path", generate.PAGES, ids=lambda path: path.name)
def test_a_page_made_from_code_is_up_to_date(path):
    assert path.read_text() == generate.PAGES[path](), "run `make docs`"


def test_the_published_schema_takes_every_case_and_refuses_a_wrong_one():
    schema = json.loads((ROOT / "datasets" / "case.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    files = ROOT.glob("datasets/*/cases.jsonl")
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert len(lines) >= 120
    for line in lines:
        validator.validate(json.loads(line))
    good = json.loads(lines[0])
    assert not validator.is_valid({**good, "colour": "red"})
    assert not validator.is_valid({**good, "turns": []})
    matcher = {"match": "number", "value": "five"}
    wrong = {"tool": "x", "effect": "read", "arguments": {"n": matcher}, "times": {"min": 0}}
    assert not validator.is_valid({**good, "expected_calls": [wrong]})


def test_the_agent_kit_spells_its_headers_as_we_do():
    """It imports nothing of ours, so the names are written twice."""
    assert serve.SESSION_HEADER == names.RUNTIME_SESSION_HEADER
    assert serve.TOOLS_SESSION_HEADER == mock_tools.SESSION_HEADER
    assert serve.TOOLS_URL_VARIABLE == names.TOOLS_URL_VARIABLE


def test_links_between_documents_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_example_of_the_command_line_can_be_typed():
    page = (ROOT / "docs" / "cli.md").read_text()
    examples = re.findall(r"^driftgate (.+?)(?: > .+)?$", page, re.MULTILINE)
    assert len(examples) >= 30
    for example in examples:
        command, words = typer.main.get_command(app), shlex.split(example)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(command.name, words)  # raises if an option is not known
