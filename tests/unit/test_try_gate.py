"""Who is tried, with how much, and what is told of it."""

import json

import pytest

from driftgate import datasets, drills, evidence, gate, names, planning, registry, try_gate
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LocalArtifacts, LocalRegistry
from driftgate.errors import BadInput
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.drills import (
    Budget,
    ChooseDrillRequest,
    DrillRow,
    Measured,
    RecordDrillRequest,
)
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.policies import SEQUENTIAL_LOOKS
from driftgate.schemas.runs import ArmTotals, Drill, PlanRunRequest, RunRow, Total
from lambdas import record_drill
from tests import builders

CLOCK = SystemClock()
SERVED = {"kind": "http", "command": ["serve"], "code": {"include": ["*.py"]}}
CASES = 100
RICH = Budget(trials=10_000, usd=1000)


class House:
    """An environment `dev` on a directory, with a dataset in which every case asks a balance."""

    def __init__(self, folder):
        self.registry = LocalRegistry(folder / "registry")
        self.runs, self.records = LocalArtifacts(folder), LocalArtifacts(folder / "records")
        header = DatasetHeader(name="bank", version="1.0.0", owner="us", changelog="x", tools={})
        cases = [
            builders.case(builders.expect("balance"), case_id=f"case-{number:02}")
            for number in range(CASES)
        ]
        bank = datasets.build(header, cases)
        registry.publish_dataset(bank, self.registry, CLOCK, author="me")

    def agent(self, name, environment="dev", **changes):
        content = builders.manifest(agent=name, **{"target": SERVED, **changes})
        contract = ToolContract.model_validate(builders.contract("balance"))
        version = registry.seal_agent(Manifest.model_validate(content), [contract], {}, None)
        registry.publish_agent(version, None, self.registry)
        registry.promote(name, "1.0.0", environment, self.registry, CLOCK)

    def tried(self, agent, day, kind="aa", **changes):
        drills.record(row(agent, day, kind, **changes), self.registry)

    def choose(self, kind="aa", budget=RICH, **words):
        request = ChooseDrillRequest(kind=kind, **words)
        return try_gate.choose_drill(request, "dev", budget, self.registry, self.records)

    def record(self, run, run_id, **ended):
        request = RecordDrillRequest(run=run, run_id=run_id, **ended)
        result = try_gate.record_drill(request, "dev", self.registry, self.runs, CLOCK)
        return result.row, {measured.agent: measured.values for measured in result.measured}


def row(agent, day, kind="aa", *, fell=False, **changes):
    return DrillRow(
        agent=agent,
        environment="dev",
        kind=kind,
        run_id=f"r-{day:020x}",
        finished_at=f"2026-01-{day:02}T02:00:00Z",
        version="1.0.0",
        **{
            **{"seed": day, "broken": "", "cases": 60, "trials": 2, "counts": True, "reason": ""},
            **{"outcome": "BLOCK" if fell else "PASS", "fell": ("a drop",) if fell else ()},
            **changes,
        },
    )


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


class TestChoosing:
    def test_without_a_baseline_there_is_nothing_to_try_and_it_says_so(self, house):
        house.agent("elsewhere", environment="prod")
        chosen = house.choose()
        assert (chosen.run, chosen.run_id) == (None, None)
        assert chosen.reason.startswith("wanted an agent with a baseline in dev that can be run")

    def test_who_was_not_tried_so_for_the_longest_time_is_next(self, house):
        for agent in ("ann", "bob", "cid"):
            house.agent(agent)
        house.tried("ann", 2)
        house.tried("bob", 1)
        house.tried("cid", 9, kind="tool")
        assert house.choose().run.agent == "cid"
        house.tried("cid", 3)
        assert house.choose().run.agent == "bob"
        assert house.choose(kind="tool").run.agent == "ann"

    def test_a_run_that_failed_was_a_turn_or_others_would_never_have_theirs(self, house):
        house.agent("ann")
        house.agent("bob")
        chosen = house.choose()
        house.record(chosen.run, chosen.run_id, error="AgentUnavailable", cause="it is away")
        assert (chosen.run.agent, house.choose().run.agent) == ("ann", "bob")

    def test_a_recording_can_not_be_run_again(self, house):
        house.agent("ann", target={"kind": "recorded", "traces": "t.jsonl"})
        assert house.choose().run is None

    def test_the_run_is_a_drill_of_the_baseline_with_a_seed_that_was_not_used(self, house):
        house.agent("ann")
        house.tried("ann", 7)
        chosen = house.choose()
        assert chosen.run == PlanRunRequest(
            agent="ann",
            version="1.0.0",
            environment="dev",
            seed=8,
            looks=SEQUENTIAL_LOOKS,
            drill=Drill(kind="aa"),
        )
        plan, _ = planning.make_plan(chosen.run, house.registry)
        assert plan.run_id == chosen.run_id

    def test_who_starts_it_by_hand_may_say_more(self, house):
        house.agent("ann")
        house.agent("bob")
        words = {"agent": "bob", "cases": 20, "looks": (1,), "seed": 3, "tool": "balance"}
        run = house.choose("tool", **words).run
        assert (run.agent, len(run.case_ids), run.looks, run.seed) == ("bob", 20, (1,), 3)
        assert run.drill == Drill(kind="tool", tool="balance")
        assert house.choose(agent="cid").run is None

    def test_who_can_not_be_tried_is_passed_over_with_the_reason(self, house):
        house.agent("ann")
        house.agent("bob")
        key = "baseline/ann/dev"
        before = house.registry.row(key)
        house.registry.replace(key, {**before, "digest": "f" * 64}, expected=before)
        chosen = house.choose()
        assert chosen.run.agent == "bob"
        (why,) = chosen.passed_over
        assert why.startswith("ann: ann 1.0.0 became the baseline with digest ffff")

    def test_if_nobody_can_be_tried_it_says_why_of_each(self, house):
        house.agent("ann")
        house.agent("bob")
        with pytest.raises(BadInput, match=r"got none: ann: .* got pay, .*; bob: .* got pay"):
            house.choose("tool", tool="pay")


class TestBudget:
    @pytest.mark.parametrize(
        ("trials", "cases"), [(999, 99), (600, 60), (109, 10), (1000, 100), (10**6, 100)]
    )
    def test_never_more_trials_than_it_has_though_no_look_should_decide(self, house, trials, cases):
        house.agent("ann")
        run = house.choose(budget=Budget(trials=trials, usd=0)).run
        plan, _ = planning.make_plan(run, house.registry)
        assert len(plan.case_ids) == cases
        assert len(list(plan.trial_keys(len(plan.looks)))) <= trials

    def test_other_cases_every_night(self, house):
        house.agent("ann")
        budget = Budget(trials=600, usd=0)
        first, second = (house.choose(budget=budget, seed=seed).run.case_ids for seed in (1, 2))
        assert first != second
        assert len(first) == len(second) == 60

    def test_where_a_trial_says_what_it_costs_the_dollars_hold_too(self, house):
        house.agent("ann")
        house.tried("ann", 1, trial_usd=9.0)
        house.tried("ann", 2, kind="tool", trial_usd=0.05)  # the latest
        house.tried("ann", 3)  # does not say
        run = house.choose(budget=Budget(trials=10_000, usd=10)).run
        assert len(run.case_ids) == 20  # of 2 arms x 5 trials x 0.05 USD each

    def test_before_the_first_try_its_runs_say_what_a_trial_costs(self, house):
        house.agent("ann")
        self.ran(house, "ann", 2.0, trials=40)
        run = house.choose(budget=Budget(trials=10_000, usd=10)).run
        assert len(run.case_ids) == 20

    def ran(self, house, agent, usd, trials):
        verdict = decided(CASES).model_copy(update={"totals": {"candidate": spent(usd, trials)}})
        key = f"verdicts/{agent}/{verdict.run_id}/0.json"
        house.records.put_once(key, evidence.to_bytes(verdict))
        registry.record_run(
            RunRow(
                run_id=verdict.run_id,
                finished_at="2026-01-01T00:00:00Z",
                environment="dev",
                agent=agent,
                version="1.0.0",
                digest="0" * 64,
                baseline=None,
                dataset="bank@1.0.0",
                cases=1,
                of_cases=1,
                outcome="PASS",
            ),
            house.registry,
        )

    @pytest.mark.parametrize("budget", [Budget(trials=99, usd=100), Budget(trials=600, usd=4.99)])
    def test_too_little_for_ten_cases_tries_somebody_else_or_nobody(self, house, budget):
        house.agent("ann")
        house.tried("ann", 1, trial_usd=0.05)
        with pytest.raises(
            BadInput, match=r"ann: wanted room for 10 cases, the budget of .* for 9"
        ):
            house.choose(budget=budget)
        house.agent("bob")
        house.tried("bob", 2, trial_usd=0.0001)
        if budget.trials > 99:
            assert house.choose(budget=budget).run.agent == "bob"


def spent(usd, trials):
    nothing = dict.fromkeys(("latency_s", "input_tokens", "output_tokens", "steps"))
    return ArmTotals(trials=trials, cost_usd=Total(value=usd, trials=trials), **nothing)


def decided(cases, plan=None, **candidate):
    """The verdict of a run on so many cases, in which the candidate's trials have these values."""
    made = [builders.case(case_id=f"case-{n:02}", task_type="x") for n in range(cases)]
    plan = plan or builders.plan([case.case_id for case in made], "baseline", "candidate")
    fine = {"task_success": 1.0, "tool_call_accuracy": 1.0}
    cards = [
        builders.card(case_id, arm, **{**fine, **(candidate if arm == "candidate" else {})})
        for case_id in plan.case_ids
        for arm in ("baseline", "candidate")
    ]
    verdict = gate.replay(builders.bundle(plan, made, cards))
    assert verdict is not None
    return verdict


class TestRecording:
    def ended(self, house, kind="aa", **candidate):
        """A try of ann with a verdict; what RecordDrill makes of it."""
        run = house.choose(kind, agent="ann", looks=(1,)).run
        plan, cases = planning.make_plan(run, house.registry)
        evidence.store_plan(plan, cases, house.runs)
        verdict = decided(CASES, plan=plan, **candidate)
        key = f"runs/{plan.run_id}/verdicts/0.json"
        house.runs.put_once(key, evidence.to_bytes(verdict))
        return house.record(run, plan.run_id, verdict_key=key)

    def test_an_aa_run_is_entered_and_the_standing_told(self, house):
        house.agent("ann")
        for day in range(1, 20):
            house.tried("ann", day, fell=day == 1)
        found, told = self.ended(house)
        assert (found.kind, found.outcome, found.counts) == ("aa", "PASS", True)
        assert house.registry.row(f"drill/ann/dev/aa/{found.run_id}")["seed"] == 20
        own = told["ann"]
        assert (own[names.FALSE_BLOCKS], own[names.AA_RUNS]) == (1, 20)
        assert own[names.FALSE_BLOCK_RATE] == 0.05
        # 1 of 20 by Clopper and Pearson: 1 - 0.95 ** (1 / 20), and the table's 0.2161
        assert own[names.FALSE_BLOCK_RATE_LOWER] == pytest.approx(1 - 0.95**0.05)
        assert own[names.FALSE_BLOCK_RATE_UPPER] == pytest.approx(0.2161, abs=1e-4)
        assert own[names.SPENT_TRIALS] == 2 * CASES
        assert own[names.TRY_FAILED] == 0
        assert names.DRILL_BLOCKED not in own

    @pytest.mark.parametrize(("success", "blocked"), [(0.0, 1), (1.0, 0)])
    def test_a_drill_was_blocked_or_missed(self, house, success, blocked):
        house.agent("ann")
        found, told = self.ended(house, "tool", task_success=success)
        assert (found.passed, found.broken) == (bool(blocked), "balance refuses every call")
        assert told["ann"][names.DRILL_BLOCKED] == blocked
        assert told["ALL"][names.DRILLS_MISSED] == 1 - blocked

    def test_over_all_agents_the_worst_is_told_and_who_left_is_forgotten(self, house):
        house.agent("ann")
        house.agent("bob")
        for day in (1, 2):
            house.tried("bob", day, fell=True)
        house.tried("bob", 3, kind="tool")
        house.agent("gone", environment="prod")
        house.tried("gone", 1, kind="tool")
        house.tried("gone", 2, kind="broad")
        _, told = self.ended(house)
        assert told["ALL"] == {
            names.FALSE_BLOCK_RATE_LOWER: pytest.approx(0.05**0.5),  # bob's 2 of 2
            names.DRILLS_MISSED: 1,  # bob's
            names.TRY_ENDED: 1,
        }

    def test_without_a_run_that_counts_no_rate_is_told(self, house):
        house.agent("ann")
        _, told = self.ended(house, "tool", task_success=0.0)
        assert names.FALSE_BLOCK_RATE not in told["ann"]
        assert names.FALSE_BLOCK_RATE_LOWER not in told["ALL"]

    @pytest.mark.parametrize("kind", ["aa", "tool"])
    def test_a_run_that_failed_is_no_passed_drill_and_no_aa_run_that_counts(self, house, kind):
        house.agent("ann")
        chosen = house.choose(kind)
        found, told = house.record(chosen.run, chosen.run_id, error="Throttled", cause="later")
        assert (found.outcome, found.reason) == ("FAILED", "Throttled: later")
        assert (told["ann"][names.TRY_FAILED], told["ALL"][names.TRY_ENDED]) == (1, 0)
        assert names.SPENT_TRIALS not in told["ann"]
        assert told["ann"].get(names.DRILL_BLOCKED) == (None if kind == "aa" else 0)
        assert told["ALL"][names.DRILLS_MISSED] == (0 if kind == "aa" else 1)
        health = drills.health("ann", "dev", drills.recorded("ann", "dev", house.registry))
        assert (health.aa_runs, len(health.failed)) == (0, 0 if kind == "aa" else 1)

    @pytest.mark.parametrize(
        "cause",
        [
            json.dumps({"errorMessage": "ann is away", "errorType": "AgentUnavailable"}),
            json.dumps(
                {
                    "ExecutionArn": "arn:aws:states:x",
                    "Error": "AgentUnavailable",
                    "Cause": json.dumps({"errorMessage": "ann is away"}),
                }
            ),
        ],
    )
    def test_why_it_failed_is_told_in_the_words_of_the_state_that_did(self, house, cause):
        house.agent("ann")
        chosen = house.choose()
        error = "States.TaskFailed" if "Cause" in cause else "AgentUnavailable"
        found, _ = house.record(chosen.run, chosen.run_id, error=error, cause=cause)
        assert found.reason == "AgentUnavailable: ann is away"


def test_metrics_have_the_dimensions_that_alarms_name_and_no_other(capsys, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "record_drill")
    record_drill.emit(Measured(agent="ann", values={names.AA_RUNS: 3.0}), "dev")
    told = json.loads(capsys.readouterr().out)
    (directive,) = told["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == (
        "Driftgate",
        [["agent", "monitor"]],
    )
    assert (told["agent"], told["monitor"], told[names.AA_RUNS]) == ("ann", "gate-dev", [3.0])
