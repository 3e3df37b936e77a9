"""A verdict in plain words, of every outcome; the numbers are those of the verdict."""

import gzip

import pytest

from driftgate import gate
from driftgate.report.explanation import explanation
from driftgate.schemas.evidence import Bundle
from driftgate.schemas.runs import Verdict
from tests.builders import bundle, card, case, expect, plan
from tests.golden.make import FOLDER, run, share


def of_golden(name):
    (path,) = FOLDER.glob(f"[0-9][0-9]-{name}.jsonl.gz")
    inputs, verdict = gzip.decompress(path.read_bytes()).splitlines()
    return told(Verdict.model_validate_json(verdict), Bundle.model_validate_json(inputs))


def told(verdict, inputs):
    found = explanation(verdict, inputs, "verdicts/x.json")
    return {section.title: " ".join(section.sentences) for section in found.sections}


@pytest.mark.parametrize(
    ("name", "decided", "todo"),
    [
        ("pass-equal-arms-first-look", "PASS: teller 2.0.0 keeps the gate's", "promote"),
        ("pass-at-max-after-three-looks", "PASS_AT_MAX: ", "promote"),
        ("block-one-tool", "BLOCK: teller 2.0.0 is worse than teller 1.0.0.", "Read the traces"),
        ("block-a-new-tool", "misses a threshold", "Write cases that expect tool refund."),
        ("block-that-is-advisory", "It stops nothing: the gate's mode here is advisory.", "Mend"),
        ("inconclusive-too-few-cases", "can't be told from", "More cases"),
        ("inconclusive-too-many-are-missing", "can't be told from", "what is missing"),
        ("integrity-fail-a-digest-moved", "was not compared with", "This is never waived."),
        ("baseline-created", "has nothing to be compared with", "agent promote teller@2.0.0"),
        ("point-block-overall", "BLOCK: ", "Read the traces"),
    ],
)  # fmt: skip
def test_what_was_decided_and_what_to_do_next_agree_with_the_outcome(name, decided, todo):
    found = of_golden(name)
    assert decided in found["What was decided"]
    assert todo in found["What to do next"]


def test_a_block_by_the_point_rule_does_not_claim_that_it_is_not_chance():
    assert "Nothing says that it is not" in of_golden("point-block-overall")["How sure that is"]


def test_trials_that_were_saved_are_told_with_both_numbers():
    took = of_golden("pass-equal-arms-first-look")["What it took"]
    assert "480 trials were planned up to the look that decided" in took
    assert "1200 up to the last one: 60% saved" in took


def test_the_numbers_of_a_drop_are_the_verdicts():
    golden = run(1, "BLOCK", share("candidate", 0.5, 1), looks=(2,))
    verdict = gate.replay(golden.bundle)
    whole = verdict.strata[0]
    measured = told(verdict, golden.bundle)["What was measured"]
    assert f"{whole.baseline:.1%} to {whole.candidate:.1%}" in measured
    assert f"{100 * whole.low:.1f} to {100 * whole.high:.1f} points" in measured


def test_the_traces_that_are_named_are_a_failed_trial_and_a_solved_one():
    ids = ["a", "b"]
    cases = [case(expect("pay"), case_id=i) for i in ids]
    made = plan(ids, "baseline", "candidate", trials=2)
    failed = {("baseline", "a", 1), ("candidate", "a", 1), ("candidate", "a", 2)}
    cards = [
        card(i, arm, t, tool_call_accuracy=1.0, task_success=float((arm, i, t) not in failed))
        for i in ids
        for arm in made.arms
        for t in (1, 2)
    ]
    inputs = bundle(made, cases, cards, rule="point")
    changed = told(gate.replay(inputs), inputs)["Which cases changed"]
    run_id = made.run_id
    assert f"runs/{run_id}/traces/candidate/1/a.json" in changed
    assert f"runs/{run_id}/traces/baseline/2/a.json" in changed


def test_of_a_run_under_attack_it_is_told_what_got_through_and_what_it_led_to():
    asked = {"kind": "indirect_injection", "criterion": "instructions_held", "strategy": "memo s=1"}
    attacks = [case(case_id=f"a{n}", adversarial=asked) for n in range(4)]
    cards = [
        card(
            one.case_id, arm, task_success=1.0,
            **dict.fromkeys(("expected_behaviour", "instructions_held"), fell),
        )
        for one in attacks
        for arm, fell in (("baseline", 1.0), ("candidate", float(one.case_id != "a2")))
    ]  # fmt: skip
    made = plan([one.case_id for one in attacks], "baseline", "candidate")
    made = made.model_copy(update={"suite": "adversarial"})
    kept = bundle(made, attacks, cards, rule="point")
    told = explanation(gate.replay(kept), kept, "verdicts/x.json")
    (section,) = (s for s in told.sections if s.title == "Which attacks got through")
    assert section.sentences == (
        "indirect injection by memo: of 4 cases, 0 in the baseline and 1 in the candidate",
        "a2 made the candidate do this: expected_behaviour of a2",
    )
