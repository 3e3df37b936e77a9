"""`driftgate benchmark` on recordings: imported, compared, listed, exported."""

import csv
import json

import pytest

from tests.conftest import Cli

CASES = [
    {
        "case_id": f"Shop/{n}",
        "source": "shop",
        "toolset": "shop",
        "input": "Pay for it",
        "category": "write",
        "expected_calls": [{"name": "pay", "args": {"n": n}, "effect": "write"}],
        "expected_outputs": [],
        "reward_basis": "calls",
    }
    for n in range(12)
]
TOOLS = [{"name": "pay", "effect": "write"}, {"name": "find", "effect": "read"}]
WEAK = "=cmd|' /C calc'!A0<script>"  # whoever submits a recording names its model


def recorded(n, model, solves):
    tools = ["find", "pay"] if solves else ["find"]
    args = {"find": {}, "pay": {"n": n}}
    return {
        "case_id": f"Shop/{n}",
        "model": model,
        "trial": 0,
        "calls": [{"name": t, "args": args[t], "result": "ok", "error": False} for t in tools],
        "final": "done",
        "reward": float(solves),
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
        "cost_usd": 0.02 if model == "strong" else None,
    }


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home into which a strong and a weak model's runs were imported."""
    folder = tmp_path_factory.mktemp("shop") / "shop"
    (folder / "runs").mkdir(parents=True)
    (folder / "cases.jsonl").write_text(lines(CASES))
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    for file, model, solved in (("strong", "strong", 12), ("weak", WEAK, 2)):
        rows = [recorded(n, model, n < solved) for n in range(12)]
        (folder / "runs" / f"{file}.jsonl").write_text(lines(rows))
    cli = Cli(folder.parent / "home")
    first = cli("benchmark", "import", folder, "--json")
    assert first.code == 0, first.err
    assert [one["new"] for one in first.json["imported"]] == [12, 12]
    again = cli("benchmark", "import", folder, "--json")
    assert [one["new"] for one in again.json["imported"]] == [0, 0]
    return cli


@pytest.fixture(scope="module")
def compared(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    overview = ("--overview", "find", "--drill-down", "pay", "--min-calls", "2")
    done = home("benchmark", "compare", *overview, "--output", folder, "--json")
    assert done.code == 0, done.err
    return done, folder


def test_a_comparison_says_which_model_is_better_how_surely_and_why(compared):
    done, _ = compared
    assert (
        "signal: 1 of 1 pairs differ by more than chance gives: strong is 83.3 points" in done.err
    )
    assert "it calls pay in 17% of the trials, strong in 100%" in done.err
    strong, weak = done.json["contenders"]
    assert (strong["name"], strong["success"]["mean"]) == ("strong", 1.0)
    assert weak["success"]["mean"] == pytest.approx(2 / 12)
    assert weak["protocol"]["drilled_down"] == pytest.approx(2 / 12)
    assert strong["cost_per_solved_usd"] == pytest.approx(0.02)
    assert weak["measures"]["cost_usd"] is None
    assert "of 12 of 24 trials the cost is missing" in done.err
    assert strong["scores"]["recorded_reward"]["mean"] == 1.0


def test_the_page_shows_the_same_and_runs_nothing_of_what_a_model_is_called(compared):
    done, folder = compared
    page = (folder / "comparison.html").read_text()
    assert json.loads((folder / "comparison.json").read_text()) == done.json
    assert "<h1>signal</h1>" in page
    assert "strong is 83.3 points above" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_rows_are_exported_beside_it_and_no_cell_is_a_formula(compared):
    _, folder = compared
    with (folder / "executions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert {row["model"] for row in rows} == {"strong", f"'{WEAK}"}
    assert {row["cost_usd"] for row in rows} == {"0.02", ""}
    assert len((folder / "executions.jsonl").read_text().splitlines()) == 24


def test_executions_are_listed_by_model(home):
    done = home("benchmark", "show", "--model", "strong", "--limit", "3", "--json")
    assert [row["model"] for row in done.json] == ["strong"] * 3
    assert done.json[0]["trace"].endswith("strong.jsonl:10")
    assert done.json[0]["tools"] == ["find", "pay"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("compare", "--dataset", "other@1.0.0"), "the ledger has none that fit"),
        (("compare", "--metric", "speed"), "no execution has a value of speed"),
        (("compare", "--overview", "find"), "wanted overview and drill_down together"),
        (("compare", "--since", "yesterday"), "--since: wanted a time as 2026-11-20"),
        (("import", "nowhere.jsonl"), "wanted --dataset, whose cases the traces are of"),
    ],
)
def test_what_can_not_be_compared_is_bad_input(home, words, said):
    done = home("benchmark", *words)
    assert done.code == 2
    assert said in done.err
