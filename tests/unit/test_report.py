"""Reports show what happened, and what an agent wrote stays text."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest

from driftgate import evidence, gate, registry
from driftgate.adapters.local import LocalArtifacts
from driftgate.metrics import METRICS, PRIMARY
from driftgate.metrics.efficiency import efficiency
from driftgate.report import build, html, markdown
from driftgate.report.changes import changes
from driftgate.report.text import visible
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import RunRow, TrialKey
from driftgate.schemas.scores import ScoreCard
from driftgate.schemas.traces import Trace
from tests.builders import call, case, contract, expect, manifest, plan, trace, version

HOSTILE = (
    "<script>alert(1)</script> [x](javascript:alert) | `a` **b** \x1b[31m \u202e @all {{ 7*7 }}"
)
WANTED = case(expect("pay", "write", args={"note": "x"}), expected_outputs=["done"])


RIGHT = trace(call("pay", "write", note="x"), says="done")
WRONG = trace(says="no")


def report(
    tmp_path, *candidate: Trace, baseline: Sequence[Trace] = (RIGHT,), tools: Sequence[str] = ()
):
    """The report of a run of one case with these trials, the baseline's being right.

    `tools` are those that only the candidate has.
    """
    runs = LocalArtifacts(tmp_path)
    made = plan(["refund"], "baseline", "candidate", trials=len(candidate))
    arms = {**made.arms, "candidate": version("2.0.0", *tools)}
    made = made.model_copy(update={"arms": arms})
    evidence.store_plan(made, [WANTED], runs)
    cards = []
    trials = [("baseline", n, told) for n, told in enumerate(baseline, start=1)]
    trials += [("candidate", n, told) for n, told in enumerate(candidate, start=1)]
    for arm, trial, told in trials:
        key = TrialKey(arm=arm, trial=trial, case_id="refund")
        card = ScoreCard(
            case_id="refund",
            arm=arm,
            trial=trial,
            scores={name: metric.score(WANTED, told) for name, metric in METRICS.items()},
            metric_versions={name: metric.version for name, metric in METRICS.items()},
            efficiency=efficiency(WANTED, told),
            ending=told.ending,
        )
        evidence.store_trace(made.run_id, key, told, runs)
        evidence.store_scores(made.run_id, key, card, runs)
        cards.append(card)
    row = RunRow(
        run_id=made.run_id,
        finished_at="2026-05-20T09:00:00+00:00",
        environment="prod",
        agent="teller",
        version="2.0.0",
        digest="0" * 64,
        baseline="1.0.0",
        dataset="bank@1.0.0",
        cases=1,
        of_cases=1,
        outcome="BLOCK",
    )
    return build.build(gate.decide(made, Policy(rule="point"), [WANTED], cards, []), row, runs)


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def test_a_flipped_case_is_shown_with_both_traces_and_what_was_expected(tmp_path):
    made = report(tmp_path, trace(call("pay", "write", note="y"), says="no"))
    (story,) = made.stories
    assert story.kind == "broken"
    assert story.expected == (
        "calls pay(note=exactly 'x')",
        "tells the user: something with 'done'",
    )
    assert story.arms["baseline"].trace.calls[0].arguments == {"note": "x"}
    assert story.arms["candidate"].trace.calls[0].arguments == {"note": "y"}
    page = Tags(html.render(made)).text
    for said in ('pay({"note": "x"})', 'pay({"note": "y"})', "note: wanted exactly 'x', got 'y'"):
        assert said in page


@pytest.mark.parametrize(
    ("kind", "baseline", "candidate"),
    [
        ("broken", [WRONG, RIGHT, RIGHT], [RIGHT, WRONG, WRONG]),
        ("fixed", [RIGHT, WRONG, WRONG], [WRONG, RIGHT, RIGHT]),
        ("failing", [WRONG, RIGHT, RIGHT], [RIGHT, WRONG, RIGHT]),
    ],
)
def test_the_arm_that_fails_is_shown_failing_and_the_other_one_solving(
    tmp_path, kind, baseline, candidate
):
    """In each arm it is the second trial that shows it first."""
    (story,) = report(tmp_path, *candidate, baseline=baseline).stories
    assert story.kind == kind
    assert [told.card.trial for told in story.arms.values()] == [2, 2]
    failing = "baseline" if kind == "fixed" else "candidate"
    shown = {arm: told.card.scores[PRIMARY].value for arm, told in story.arms.items()}
    assert shown == {arm: float(arm != failing) for arm in ("baseline", "candidate")}


def test_the_page_says_when_where_and_what_changed(tmp_path):
    page = Tags(html.render(report(tmp_path, trace(says="no")))).text
    assert "environment prod, finished 2026-05-20T09:00:00+00:00" in page
    assert "1 of 1 cases" in page


def test_a_changed_contract_prompt_and_model_are_named():
    def sealed(number, tool_version, **rest):
        tool = ToolContract.model_validate(contract("pay", "write", version=tool_version))
        content = Manifest.model_validate(manifest(version=number, **rest))
        return registry.seal_agent(content, [tool], {"p.md": number}, None)

    found = dict(changes(sealed("1.0.0", "1.0.0"), sealed("2.0.0", "2.0.0", model="new")))
    assert found["model"] == "model changed from none to new"
    assert found["tool contracts"] == "contract pay changed from 1.0.0 to 2.0.0"
    assert found["prompts"] == "prompts changed: p.md"
    assert [part for part, sentence in found.items() if sentence is None] == [
        "code",
        "target",
        "invocation",
        "limits",
        "policy",
    ]


def test_hostile_text_stays_text_in_html(tmp_path):
    hostile = trace(call("pay", "write", note=HOSTILE), call(HOSTILE, None), says=HOSTILE)
    calm = Tags(html.render(report(tmp_path / "calm", trace(says="no"))))
    page = html.render(report(tmp_path / "hostile", hostile))
    found = Tags(page)
    assert found.tags == calm.tags
    assert "script" not in found.tags
    assert found.attributes == calm.attributes
    assert "<script>alert(1)</script>" in found.text
    assert "{{ 7*7 }}" in found.text
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert r"\u001b" in page


def test_hostile_text_stays_text_in_markdown(tmp_path):
    hostile = trace(call("pay", "write", note=HOSTILE), says=HOSTILE)
    rows = [r for r in markdown.render(report(tmp_path, hostile)).splitlines() if "refund" in r]
    assert rows
    for row in rows:
        assert "<script>" not in row
        assert "\x1b" not in row
        assert "@all" not in row
        assert not re.search(r"(?<!\\)\[x", row)
    (table_row,) = [row for row in rows if row.startswith("| refund")]
    assert len(re.findall(r"(?<!\\)\|", table_row)) == 6


def test_the_page_needs_nothing_else_and_runs_nothing(tmp_path):
    page = html.render(report(tmp_path, trace(says="no")))
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", page)
    assert "default-src 'none'" in page


def test_invisible_characters_are_made_visible():
    assert visible("a\u200bb\u202ec\x07d\n\té\U0001f600") == (
        "a\\u200bb\\u202ec\\u0007d\n\té\U0001f600"
    )


def test_what_was_not_covered_is_said(tmp_path):
    said = " ".join(report(tmp_path, trace(says="no")).not_covered)
    assert "states no error rate" in said
    assert "pay (1)" in said


def test_a_tool_that_no_case_expects_was_not_covered_either(tmp_path):
    made = report(tmp_path, trace(says="no"), tools=["pay", "refund"])
    assert "pay (1), refund (0)." in " ".join(made.not_covered)


def test_the_bound_of_a_new_tool_stands_among_the_thresholds(tmp_path):
    made = report(tmp_path, trace(says="no"), tools=["refund"])
    assert "| coverage of new tool refund |  |  | at least 10 | **fails** |" in markdown.render(
        made
    )
    assert "tool refund" in Tags(html.render(made)).text
