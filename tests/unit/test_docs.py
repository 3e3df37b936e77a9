"""What the documents say is what the code does."""

import importlib.util
import json
import re
import shlex
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
import typer
import yaml
from jsonschema import Draft202012Validator

from driftgate import evidence, judging, names, offline
from driftgate.adapters.files import read_agent
from driftgate.adapters.local import LocalArtifacts
from driftgate.agentkit import serve, tools
from driftgate.cli.main import app
from driftgate.schemas import runs
from driftgate.schemas.judgments import AnswerFault, JudgeSpec, LastingFault, PassingFault
from driftgate.schemas.matchers import MATCHERS
from driftgate.schemas.traces import Trace
from mock_tools.sessions import SESSION_HEADER

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
    assert tools.SESSION_HEADER == SESSION_HEADER
    assert tools.URL_VARIABLE == names.TOOLS_URL_VARIABLE


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


@pytest.mark.parametrize("name", MATCHERS)
def test_every_matcher_is_shown_to_match_and_not_to_match(name):
    """That the examples are true is checked as the page is made."""
    examples = yaml.safe_load(generate.EXAMPLES.read_text())[name]
    assert {example["matches"] for example in examples} == {True, False}


def test_an_example_that_is_not_true_makes_no_page(tmp_path, monkeypatch):
    lie = {"wanted": 1, "came": "1", "matches": True}
    (tmp_path / "matchers.yaml").write_text(yaml.safe_dump({"number": [lie]}))
    monkeypatch.setattr(generate, "EXAMPLES", tmp_path / "matchers.yaml")
    with pytest.raises(ValueError, match="not so: wanted 1, got '1'"):
        generate.examples("number")


def test_the_manifest_shown_is_one():
    version, code = read_agent(generate.MANIFEST)
    assert (version.label, len(version.prompts), bool(code)) == ("support 1.2.0", 1, True)
    assert len(version.contracts) >= 11


@pytest.mark.parametrize("record", generate.MANIFEST_RECORDS.values(), ids=lambda r: r.__name__)
def test_every_field_of_a_manifest_says_what_it_means(record):
    for name, field in record.model_fields.items():
        assert name == "kind" or field.description, f"{record.__name__}.{name}"


def test_the_schema_for_editors_takes_every_manifest_and_refuses_a_wrong_one():
    schema = json.loads((ROOT / "agents" / "agent.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    manifests = [generate.MANIFEST, *ROOT.glob("agents/*/versions/*.yaml")]
    assert len(manifests) >= 4
    for path in manifests:
        validator.validate(yaml.safe_load(path.read_text()))
    good = yaml.safe_load(generate.MANIFEST.read_text())
    assert not validator.is_valid({**good, "colour": "red"})
    assert not validator.is_valid({**good, "limits": {"case_s": 781}})
    assert not validator.is_valid({**good, "target": {"kind": "recorded"}})
    assert not validator.is_valid({key: good[key] for key in good if key != "model"})


ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def test_the_architecture_names_every_state_once_and_no_other():
    machine = json.loads((ROOT / "statemachines" / "offline_eval.asl.json").read_text())["States"]
    inner = machine["Trials"]["ItemProcessor"]["States"]
    states = [name for name in machine if name != "Trials"] + list(inner)
    table = re.findall(r"^\| ([A-Z]\w+) \|", ARCHITECTURE, re.M)
    assert sorted(table) == sorted(states)
    drawn = set(re.findall(r"\b([A-Z]\w+)\[", ARCHITECTURE))
    assert drawn == {*states, "Trials", "InterceptTools"} - {"Missing"}
    arrows = re.findall(r"^\s+(\w+)\b.* --> (\w+)", ARCHITECTURE, re.M)
    states_with_next = {**machine, **inner}.items()
    told = {name: state.get("Next", state.get("Default")) for name, state in states_with_next}
    assert sum(told.get(here) == after for here, after in arrows) == 13
    assert all(here == "registry" or told[here] == after for here, after in arrows)


def test_the_architecture_names_steps_records_and_files_that_there_are():
    steps = re.findall(r"`offline\.(\w+)`", ARCHITECTURE)
    assert (
        {
            *("plan_run", "take_lease", "preflight", "prove_judge", "run_case", "end_sessions"),
            *("score_case", "judge_case", "decide_gate", "publish_run"),
        }
        == {step for step in steps if hasattr(offline, step)}
        == set(steps)
    )
    for record in re.findall(r"`(\w+(?:Request|Result))`", ARCHITECTURE):
        assert hasattr(runs, record)
    for function in re.findall(r"`(lambdas/\w+\.py|tests/\w+\.py)`", ARCHITECTURE):
        assert (ROOT / function).exists()
    for name in ("call_tool", "intercept_tools", "publish_dataset"):
        assert (ROOT / "lambdas" / f"{name}.py").exists()


def test_the_architecture_names_the_keys_under_which_things_lie(tmp_path):
    key = runs.TrialKey(arm="candidate", trial=1, case_id="one")
    evidence.store_trace("RUN", key, Trace(case_id="one"), LocalArtifacts(tmp_path))
    (trace,) = (path.relative_to(tmp_path) for path in tmp_path.rglob("*.json"))
    keys = {
        "traces/{arm}/{trial}/{case_id}.json": str(trace),
        "scores/{arm}/{trial}/{case_id}.json": evidence.scores_key("RUN", key),
        "judgments/{arm}/{trial}/{case_id}.json": evidence.judgments_key("RUN", key),
        "trials/{look}.jsonl": evidence.trials_key("RUN", 2),
    }
    for shown, made in keys.items():
        assert f"`{shown}`" in ARCHITECTURE
        assert made == "runs/RUN/" + shown.format(arm="candidate", trial=1, case_id="one", look=2)


def test_the_judge_that_is_shown_is_one_and_all_faults_are_named():
    page = (ROOT / "docs" / "judges.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    assert JudgeSpec.model_validate(yaml.safe_load(shown)).budget_usd == 20
    cells = re.findall(r"^\| (`.*?) \|", page, re.M)
    named = {name for cell in cells for name in cell.split(", ")}
    assert {
        f"`{kind}`"
        for kinds in (AnswerFault, PassingFault, LastingFault)
        for kind in get_args(kinds)
    } <= named


def test_the_page_counts_the_canaries():
    page = (ROOT / "docs" / "judges.md").read_text()
    kinds = Counter(canary.kind for canary in judging.canaries())
    assert f"{kinds.total()} [known answers]" in page
    assert f"{kinds['bad']} bad ones" in page
    assert f"{kinds['good']} good ones" in page
