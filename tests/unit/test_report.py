"""Reports show what happened, and what an agent wrote stays text."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from driftgate import evidence, registry
from driftgate.adapters.local import LocalArtifacts
from driftgate.cli.verdicts import EXIT_CODES
from driftgate.errors import TraceMissing
from driftgate.metrics import PRIMARY
from driftgate.report import html, junit, markdown, payload
from driftgate.report.changes import changes
from driftgate.report.judged import not_judged
from driftgate.report.text import visible
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.judgments import JudgePlan, JudgeSpec
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.policies import PASSING, Effective, Policy
from driftgate.schemas.reports import Report
from driftgate.schemas.runs import TrialKey
from tests.builders import call, case, contract, expect, manifest, plan, trace
from tests.reports import RIGHT, WRONG, report

ROOT = Path(__file__).parents[2]
HOSTILE = (
    "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> ]]> [x](javascript:alert) "
    "| `a` **b** \x1b[31m \u202e \ufffe @all {{ 7*7 }} ${7*7}"
)


class Tags(HTMLParser):
    """What a page is made of; `blocks` are its scripts and data."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text, self.blocks = set(), set(), "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "script":
            self.blocks.append((dict(attrs).get("type"), ""))

    def handle_data(self, data):
        if self.cdata_elem == "script":
            kind, text = self.blocks.pop()
            self.blocks.append((kind, text + data))
        else:
            self.text += data

    @property
    def data(self):
        return [json.loads(text) for kind, text in self.blocks if kind == "application/json"]


def rows(made):
    """The aligned steps of a report's one story, as the page has them."""
    return Tags(html.render(made)).data[0]["rows"]


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
    assert "note: wanted exactly 'x', got 'y'" in page
    assert "calls pay(note=exactly 'x')" in page
    (paid, said) = rows(made)
    assert (paid["kind"], paid["mark"], said["mark"]) == ("call", "differs", "differs")
    assert paid["baseline"]["arguments"]["values"] == [["note", '"x"', 0, True]]
    assert paid["candidate"]["arguments"]["values"] == [["note", '"y"', 0, True]]


def test_steps_that_are_equal_or_that_one_arm_alone_has_are_said_to_be(tmp_path):
    extra = trace(call("find"), call("pay", "write", note="y"), says="done")
    marks = [row["mark"] for row in rows(report(tmp_path, extra))]
    assert marks == ["only candidate", "differs", "same"]


def test_without_a_baseline_nothing_is_marked(tmp_path):
    made = report(tmp_path, WRONG, baseline=())
    assert {row["mark"] for row in rows(made)} == {""}
    assert made.compared[0].difference_interval is None
    assert made.compared[0].candidate_interval is not None


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


def hostile_report(folder):
    """One with something to break a page in each place that a user, agent or author fills."""
    hostile = trace(call("pay", "write", **{HOSTILE: HOSTILE}), call(HOSTILE, None), says=HOSTILE)
    wanted = case(
        expect("pay", "write", args={"note": "x"}),
        forbidden_calls=[{"tool": HOSTILE, "reason": HOSTILE}],
        expected_outputs=["done", HOSTILE],
        turns=[{"user": HOSTILE}],
        locale=HOSTILE,
    )
    right = trace(call("pay", "write", note="x"), says=f"done {HOSTILE}")
    return report(folder, hostile, baseline=[right], of=wanted)


def test_hostile_text_stays_text_in_html(tmp_path):
    calm = Tags(html.render(report(tmp_path / "calm", trace(says="no"))))
    page = html.render(hostile_report(tmp_path / "hostile"))
    found = Tags(page)
    assert found.tags == calm.tags
    assert found.attributes == calm.attributes
    assert len(found.blocks) == len(calm.blocks) == 3
    assert found.blocks[-1] == calm.blocks[-1]
    assert "<script>alert(1)</script>" in found.text
    assert "{{ 7*7 }}" in found.text
    said = json.dumps(found.data[0])
    assert said.count("<script>alert(1)</script>") == 5
    for letter in "\x1b\u202e\ufffe":
        assert letter not in page
    assert r"\u001b" in found.text


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


def test_the_page_needs_nothing_else_and_lets_only_its_own_script_run(tmp_path):
    page = html.render(report(tmp_path, trace(says="no")))
    outside = page[: page.index("<script>")]  # the library in the script names its namespaces
    assert re.findall(r"""(?:src|href)="(?!#)([^"]*)""", outside) == ["data:,"]
    assert not re.search(r"url\(|@import", outside)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_a_page_is_bounded_and_says_what_was_cut(tmp_path):
    huge = "x" * 1_000_000
    lots = trace(call("pay", "write", note=huge, many=list(range(5000))), says=huge)
    page = html.render(report(tmp_path, lots))
    assert len(page) < 500_000
    _, said = Tags(page).data[0]["rows"]
    assert said["candidate"]["cut"] == 1_000_000 - payload.TEXT_CHARS
    call_shown = Tags(page).data[0]["rows"][0]["candidate"]["arguments"]
    assert call_shown["more"] == 5001 - payload.VALUES


def test_traces_that_the_page_has_no_room_for_are_left_out_and_said_to_be(tmp_path, monkeypatch):
    made = report(tmp_path, WRONG)
    monkeypatch.setattr(payload, "TRACES_CHARS", 10)
    page = Tags(html.render(made))
    assert len(page.data) == 1
    assert "report.json has them" in page.text


def test_intervals_are_of_the_cases_that_both_arms_have(tmp_path):
    made = report(tmp_path, WRONG, RIGHT, baseline=[RIGHT, RIGHT])
    row = next(row for row in made.compared if row.metric == PRIMARY)
    assert (row.cases, row.difference) == (1, -0.5)
    assert row.difference_interval.low < -0.5 < row.difference_interval.high
    assert row.difference_interval.level == 0.95


def test_what_an_agent_does_not_report_is_missing_and_not_zero(tmp_path):
    told = trace(says="no", latency_s=2.0)
    made = report(tmp_path, told, None, baseline=[RIGHT, RIGHT])
    latency = made.measures["latency_s"]
    assert (latency["candidate"].values, latency["candidate"].missing) == ((2.0,), 1)
    assert (latency["baseline"].mean, latency["baseline"].missing) == (None, 2)
    assert any(
        "does not say" in sentence and "cost_usd" in sentence for sentence in made.not_covered
    )
    assert "1 of 4 trials have no value; nobody knows how they went." in made.not_covered


def test_coverage_counts_the_cases_of_each_tool_and_how_many_broke(tmp_path):
    made = report(tmp_path, WRONG, tools=["refund"])
    pay, refund = made.coverage
    assert (pay.tool, pay.total.cases, pay.total.broken, pay.few) == ("pay", 1, 1, True)
    assert pay.by_task_type["refunds"].cases == 1
    assert (refund.tool, refund.total.cases, refund.few) == ("refund", 0, True)


def test_a_trace_that_is_gone_is_said_to_be(tmp_path):
    run = plan(["refund"], "baseline", "candidate").run_id
    lost = TrialKey(arm="candidate", trial=1, case_id="refund")
    with pytest.raises(TraceMissing, match="candidate, trial 1 of refund: no trace is stored"):
        evidence.load_traces(run, [lost], LocalArtifacts(tmp_path))


def junit_of(made):
    root = ElementTree.fromstring(junit.render(made))  # noqa: S314  we wrote it
    return root, {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}


def test_the_command_fails_for_every_verdict_that_does_not_pass():
    every = {name for outcomes in get_args(Effective) for name in get_args(outcomes)}
    assert set(EXIT_CODES) == every - PASSING


@pytest.mark.parametrize("mode", ["blocking", "advisory", "observe"])
@pytest.mark.parametrize(
    ("candidate", "baseline"),
    [([RIGHT], [RIGHT]), ([WRONG], [RIGHT]), ([WRONG], [WRONG]), ([None], [RIGHT]), ([WRONG], [])],
)
def test_junit_is_red_exactly_when_the_command_fails(tmp_path, mode, candidate, baseline):
    made = report(tmp_path, *candidate, baseline=baseline, policy=Policy(rule="point", mode=mode))
    root, found = junit_of(made)
    red = int(root.get("failures")) + int(root.get("errors"))
    assert (red > 0) == (made.verdict.effective in EXIT_CODES)
    marks = [mark for marks in found.values() for mark in marks]
    assert red == marks.count("failure") + marks.count("error")
    assert int(root.get("skipped")) == marks.count("skipped")
    assert int(root.get("tests")) == len(found)


def test_junit_tells_each_case_and_threshold_with_its_reason(tmp_path):
    made = report(tmp_path, WRONG)
    root, found = junit_of(made)
    assert found["refund"] == ["failure"]
    assert found["drop of task_success over all cases"] == ["failure"]
    assert found["BLOCK"] == ["failure"]
    (case_,) = [case for case in root.iter("testcase") if case.get("name") == "refund"]
    assert case_.get("classname") == "teller.refunds"
    assert case_[0].get("message").startswith("broken: pay was not done")


def test_a_missing_case_is_an_error_in_junit_and_a_lost_one_that_may_be_is_skipped(tmp_path):
    gone = report(tmp_path / "gone", None)
    assert junit_of(gone)[1]["refund"] == ["error"]
    let = report(tmp_path / "let", None, policy=Policy(rule="point", mode="observe"))
    assert junit_of(let)[1]["refund"] == ["skipped"]


def test_a_case_that_broke_within_what_is_allowed_is_skipped_in_junit(tmp_path):
    made = report(tmp_path, WRONG, policy=Policy(rule="point", mode="advisory"))
    _, found = junit_of(made)
    assert found["refund"] == ["skipped"]
    assert "broken: " in junit.render(made)


def test_hostile_text_stays_text_in_junit(tmp_path):
    root, _ = junit_of(hostile_report(tmp_path))
    tags = {element.tag for element in root.iter()}
    assert tags <= {"testsuites", "testsuite", "testcase", "failure", "error", "skipped"}
    assert "<script>alert(1)</script>" in "".join(root.itertext())


def test_markdown_stays_small_enough_for_a_comment_and_says_what_was_left_out(tmp_path):
    made = report(tmp_path, trace(says="x" * 5000))
    many = made.model_copy(update={"stories": made.stories * 2000})
    text = markdown.render(many)
    assert len(text.encode()) < 65_000
    assert re.search(r"… and 1\d\d\d more lines, in report.html and report.json", text)
    assert "## What this does not cover" in text
    assert "run `r-" in text


def test_the_published_schema_takes_a_report_and_refuses_a_wrong_one(tmp_path):
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    made = hostile_report(tmp_path).model_dump_json()
    validator.validate(json.loads(made))
    assert Report.model_validate_json(made).model_dump_json() == made
    assert not validator.is_valid({**json.loads(made), "verdict": None})
    assert not validator.is_valid({**json.loads(made), "colour": "red"})


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


class TestAttacks:
    def attacked(self, criterion="instructions_held", **rest):
        asked = {"kind": "indirect_injection", "criterion": criterion, "strategy": "memo seed=7"}
        forbidden = [{"tool": "pay", "reason": HOSTILE}]
        return case(forbidden_calls=forbidden, adversarial={**asked, **rest})

    OBEYED = trace(call("pay", "write", to="M"), says="done")
    HELD = trace(says="no")

    def test_the_report_counts_by_kind_and_strategy_and_shows_what_it_led_to(self, tmp_path):
        made = report(tmp_path, self.OBEYED, baseline=[self.HELD], of=self.attacked())
        (group,) = made.attacks
        assert (group.kind, group.strategy, group.cases) == ("indirect_injection", "memo", 1)
        assert group.got_through == {"baseline": 0, "candidate": 1}
        assert group.utility == {"baseline": 1, "candidate": 0}
        (told,) = made.got_through
        assert told.led_to["baseline"] is None
        assert told.led_to["candidate"].startswith("pay(to='M') is forbidden: </script>")

    def test_an_attack_got_through_if_it_did_in_one_trial_of_three(self, tmp_path):
        trials = [self.HELD, self.OBEYED, self.HELD]
        made = report(tmp_path, *trials, baseline=[self.HELD] * 3, of=self.attacked())
        assert made.attacks[0].got_through == {"baseline": 0, "candidate": 1}
        assert len(made.got_through) == 1

    def test_where_none_got_through_the_page_says_so(self, tmp_path):
        made = report(tmp_path, self.HELD, baseline=[self.HELD], of=self.attacked())
        assert made.got_through == ()
        page = Tags(html.render(made)).text
        assert "None got through in either arm." in page
        assert "Only these attacks were tried" in page

    def test_what_it_led_to_stays_text_in_every_form(self, tmp_path):
        secret = self.attacked(canaries=[HOSTILE])
        made = report(tmp_path, trace(says=HOSTILE), of=secret, baseline=[self.OBEYED])
        page = Tags(html.render(made))
        assert "onerror" not in page.attributes
        assert "tells the secret '</script><script>alert(1)</script>" in page.text
        text = markdown.render(made)
        section = text.partition("## Attacks")[2].partition("## ")[0]
        assert "<script" not in section
        (line,) = (line for line in section.splitlines() if line.startswith("| refund"))
        assert len(re.findall(r"(?<!\\)\|", line)) == 4  # no cell more than the table has
        ElementTree.fromstring(junit.render(made))  # noqa: S314  our own

    def test_a_case_under_attack_says_what_it_must_not_tell_and_may_do_instead(self, tmp_path):
        wanted = self.attacked(
            "recovered",
            canaries=["c0de"],
            never_told=[{"match": "contains", "value": "paid"}],
            acceptable=[{"match": "contains", "value": "later"}],
            escalations=[{"tool": "hand_over"}],
        )
        (story,) = report(tmp_path, self.OBEYED, of=wanted, baseline=()).stories
        assert story.expected[1:] == (
            "must not tell the secret 'c0de', in no reply and no argument",
            "must not tell, as nobody could know it: something with 'paid'",
            "may say instead: something with 'later'",
            "may hand over with hand_over()",
            "calls a tool that fails at most 3 times with the same arguments",
        )

    def test_a_report_of_the_regression_suite_has_no_part_on_attacks(self, tmp_path):
        made = report(tmp_path, WRONG)
        assert (made.attacks, made.got_through) == ((), ())
        assert 'id="attacks"' not in html.render(made)
        assert "## Attacks" not in markdown.render(made)


@pytest.mark.parametrize(
    ("judged", "said"),
    [((), "was not judged; only"), (("a",), "was not judged in 2 cases; only"), ("abc", None)],
)
def test_what_no_judge_looked_at_is_said(judged, said):
    made = plan(["a", "b", "c"], "candidate")
    if judged:
        judge = JudgePlan(spec=JudgeSpec(), fingerprint="0" * 64, case_ids=tuple(judged))
        made = made.model_copy(update={"judge": judge})
    sentence = not_judged(made)
    assert sentence is None if said is None else said in sentence
