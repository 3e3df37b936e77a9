"""What a run costs, worked out by hand; and a budget, over which no new trial starts."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from driftgate import budgets, costs, evidence, gate, run_costs
from driftgate.adapters.local import LocalArtifacts, LocalRegistry
from driftgate.errors import BadInput, BudgetSpent
from driftgate.schemas.forecasts import PastTrials
from driftgate.schemas.judgments import JudgePlan, JudgeSpec
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.runs import Attempt, Fault, TrialKey
from tests.builders import bundle, card, case, manifest, plan, trace

GOOD = {"task_success": 1.0, "tool_call_accuracy": 1.0}
RATES = {"input_usd": 2.0, "output_usd": 10.0, "memory_gb": 3.6, "vcpus": 0.5}
TOLD = {"final_response": "/a", "cost_usd": "/c"}
COUNTED = {"final_response": "/a", "input_tokens": "/i", "output_tokens": "/o"}


def planned(rates=None, reply=None, **more):
    """A plan of one case and arm whose agent says this of its costs."""
    made = plan(["one"], "candidate")
    invocation = {"request": {"q": "{{turn}}"}, "response": reply or COUNTED}
    content = manifest(costs=rates or {}, invocation=invocation, **more)
    agent = made.arms["candidate"].model_copy(update={"manifest": Manifest.model_validate(content)})
    return made.model_copy(update={"arms": {"candidate": agent}})


@pytest.fixture
def runs(tmp_path):
    return LocalArtifacts(tmp_path)


@pytest.fixture
def stored(tmp_path):
    return LocalRegistry(tmp_path / "registry")


def scored(made, runs, trial=1, **took):
    one = card("one", "candidate", trial, **GOOD)
    efficiency = one.efficiency.model_copy(
        update={"cost_usd": None, "input_tokens": None, "output_tokens": None, **took}
    )
    key = TrialKey(arm="candidate", trial=trial, case_id="one")
    evidence.store_scores(made.run_id, key, one.model_copy(update={"efficiency": efficiency}), runs)


def session(made, runs, session_id, *, opened, ended=None, place=None):
    where = place or TrialKey(arm="candidate", trial=1, case_id="one")
    for mark, second in (("opened", opened), ("ended", ended)):
        if second is not None:
            at = Attempt(session_id=session_id, at=f"2026-11-20T10:00:{second:02}+00:00")
            evidence.mark_session(made.run_id, where, mark, at, runs)


def parts(cost):
    return {part.part: part.usd for part in cost.parts}


def actual(made, runs, *, in_aws=True):
    return run_costs.actual(made, runs, in_aws=in_aws)


class TestActual:
    def test_tokens_cost_what_the_agent_says_or_else_the_stated_price(self, runs):
        made = planned(RATES).model_copy(update={"looks": (2,)})
        scored(made, runs, 1, input_tokens=1_000_000, output_tokens=100_000)  # 2 + 1
        scored(made, runs, 2, cost_usd=0.5, input_tokens=9, output_tokens=9)
        assert parts(actual(made, runs, in_aws=False)) == {"model tokens": 3.5}

    def test_tokens_without_a_price_and_trials_that_say_nothing_are_missing_and_not_zero(
        self, runs
    ):
        made = planned()
        scored(made, runs, input_tokens=1_000_000, output_tokens=100_000)
        cost = actual(made, runs)
        assert cost.unknown[0] == "model tokens"
        assert "not known: model tokens" in str(cost)

    def test_an_attempt_that_left_no_scores_is_said_to_be_missing_from_the_sum(self, runs):
        made = planned(RATES)
        scored(made, runs, cost_usd=1.0)
        for number in range(3):
            session(made, runs, f"s{number}", opened=0, ended=10)
        assert "1 of 3 attempts tell; what the others cost" in actual(made, runs).parts[0].basis

    def test_memory_is_paid_from_a_sessions_opening_to_its_end_and_preflights_too(self, runs):
        made = planned(RATES)
        session(made, runs, "a", opened=0, ended=30)
        session(made, runs, "b", opened=5, ended=35)
        session(made, runs, "p", opened=0, ended=12, place="candidate")
        found = parts(actual(made, runs))
        prices = costs.PRICES
        assert found["session memory"] == pytest.approx(72 / 3600 * 3.6 * prices.runtime_gb_hour)
        assert found["session processors"] == pytest.approx(
            72 / 3600 * 0.5 * prices.runtime_vcpu_hour
        )
        assert found["functions"] == pytest.approx(72 * 0.5 * prices.function_gb_s)

    def test_a_session_that_never_ended_has_no_seconds_and_is_told_of(self, runs):
        made = planned(RATES)
        session(made, runs, "a", opened=0, ended=30)
        session(made, runs, "b", opened=0)
        (basis,) = (p.basis for p in actual(made, runs).parts if p.part == "session memory")
        assert basis == "30 s of 2 sessions; 1 have not ended, whose seconds are missing"

    def test_memory_that_nobody_stated_is_missing(self, runs):
        made = planned({"vcpus": 0.5})
        session(made, runs, "a", opened=0, ended=30)
        found = parts(actual(made, runs))
        assert found["session memory"] is None
        assert found["session processors"] > 0

    def test_states_are_counted_by_run_look_and_trial(self, runs):
        made = planned().model_copy(update={"looks": (2, 3)})
        for trial in (1, 2, 3):
            scored(made, runs, trial)
        states = run_costs.OF_RUN + 2 * run_costs.OF_LOOK + 3 * run_costs.OF_TRIAL
        found = parts(actual(made, runs))["step functions"]
        assert found == pytest.approx(states * costs.PRICES.transition)

    def test_a_judge_whose_price_is_not_known_costs_what_nobody_knows(self, runs):
        spec = JudgeSpec(backend="converse", model="m")
        judge = JudgePlan(spec=spec, fingerprint="0" * 64, case_ids=("one",))
        made = planned().model_copy(update={"judge": judge})
        assert parts(actual(made, runs, in_aws=False))["judge"] is None


class TestEstimate:
    PAST = PastTrials(
        run_id="r", version="1.0.0", trials=9, seconds=2.0,
        input_tokens=None, output_tokens=None, cost_usd=0.25,
    )  # fmt: skip

    def test_trials_cost_what_earlier_ones_did_and_an_unknown_arm_what_the_other_does(self):
        made = plan(["one", "two"], "baseline", "candidate", trials=3)
        cost = run_costs.estimate(
            made, {"baseline": self.PAST, "candidate": None}, 2.0, in_aws=False
        )
        assert parts(cost) == {"model tokens": 2 * 2 * 3 * 0.25}

    def test_without_earlier_trials_tokens_are_not_known_and_a_rubric_costs_nothing(self):
        judge = JudgePlan(spec=JudgeSpec(), fingerprint="0" * 64, case_ids=("one",))
        made = planned(RATES).model_copy(update={"judge": judge})
        cost = run_costs.estimate(made, {"candidate": None}, 30.0, in_aws=True)
        found = parts(cost)
        assert (found["model tokens"], found["judge"], found["storage"]) == (None, 0, None)
        assert found["session memory"] == pytest.approx(
            30 / 3600 * 3.6 * costs.PRICES.runtime_gb_hour
        )


class TestBudget:
    RUN = f"r-{'0' * 20}"

    def spend(self, stored, *trials, most=1.0):
        budgets.hold(self.RUN, most, stored)
        for number, usd in enumerate(trials):
            budgets.count_trial(self.RUN, f"s{number}", usd, stored)

    def test_below_it_trials_start_and_from_it_on_none_does(self, stored):
        self.spend(stored, 0.5, 0.49)
        budgets.check(self.RUN, stored)
        budgets.count_trial(self.RUN, "more", 0.01, stored)
        with pytest.raises(BudgetSpent, match=r"1\.0000 USD of the run's budget of 1\.00 USD"):
            budgets.check(self.RUN, stored)

    def test_a_trial_that_does_not_tell_counts_as_the_dearest_that_did(self, stored):
        self.spend(stored, 0.1, 0.3, None, None)
        with pytest.raises(BudgetSpent, match=r"1\.0000 USD"):
            budgets.check(self.RUN, stored)

    def test_if_no_trial_tells_it_can_not_be_held_and_that_ends_it(self, stored):
        self.spend(stored, *[None] * (budgets.UNTOLD - 1))
        budgets.check(self.RUN, stored)
        budgets.count_trial(self.RUN, "more", None, stored)
        with pytest.raises(BudgetSpent, match="none of 20 trials told"):
            budgets.check(self.RUN, stored)

    def test_more_is_allowed_later_and_to_say_nothing_keeps_it(self, stored):
        self.spend(stored, 1.0)
        budgets.hold(self.RUN, None, stored)
        with pytest.raises(BudgetSpent):
            budgets.check(self.RUN, stored)
        budgets.hold(self.RUN, 2.0, stored)
        budgets.check(self.RUN, stored)

    def test_a_run_without_one_counts_nothing(self, stored):
        budgets.count_trial(self.RUN, "s", 5.0, stored)
        budgets.check(self.RUN, stored)
        assert stored.keys("spending/") == []

    def test_what_many_workers_count_at_the_same_time_is_all_counted(self, stored):
        budgets.hold(self.RUN, 10.0, stored)
        with ThreadPoolExecutor(8) as pool:
            tasks = [
                pool.submit(budgets.count_trial, self.RUN, f"s{n}", 0.25, stored) for n in range(16)
            ]
            assert [task.result() for task in tasks] == [None] * 16
        row = stored.row(f"spending/{self.RUN}")
        assert (row["told"], row["nano_usd"]) == (16, 4 * budgets.NANO)

    def test_what_a_judge_cost_is_counted_too(self, stored):
        self.spend(stored, 0.5)
        budgets.count_judging(self.RUN, "judge", 0.5, stored)
        with pytest.raises(BudgetSpent):
            budgets.check(self.RUN, stored)

    def test_the_least_of_environment_and_manifest_holds(self):
        made = planned({"max_run_usd": 3.0}, TOLD)
        assert budgets.allowed(made, None) == 3.0
        assert budgets.allowed(made, 2.0) == 2.0
        assert budgets.allowed(planned(None, TOLD), None) is None

    def test_an_agent_that_can_not_say_what_it_costs_can_have_none(self):
        with pytest.raises(BadInput, match="a budget of 3 USD needs what a trial costs"):
            budgets.allowed(planned({"max_run_usd": 3.0}, COUNTED), None)
        priced = {**RATES, "max_run_usd": 3.0}
        assert budgets.allowed(planned(priced, COUNTED), None) == 3.0

    def test_a_session_on_agentcore_counts_beside_the_tokens(self):
        arn = "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/x"
        cloud = {"kind": "agentcore", "runtime_arn": arn, "qualifier": "v1"}
        told = trace().model_copy(update={"cost_usd": 1.0, "latency_s": 3600.0})
        here = planned(RATES).arms["candidate"]
        there = planned(RATES, target=cloud).arms["candidate"]
        assert run_costs.trial_usd(here, told) == 1.0
        assert run_costs.trial_usd(there, told) == pytest.approx(
            1 + 3.6 * costs.PRICES.runtime_gb_hour + 0.5 * costs.PRICES.runtime_vcpu_hour
        )

    def test_a_verdict_that_lacks_one_trial_for_it_is_inconclusive_and_says_so(self):
        """One of two hundred could not change it, and yet nobody should think the run was whole."""
        ids = [f"c{n:03}" for n in range(200)]
        made = plan(ids, "baseline", "candidate")
        cards = [card(i, arm, **GOOD) for i in ids for arm in ("baseline", "candidate")][:-1]
        lost = TrialKey(arm="candidate", trial=1, case_id=ids[-1])
        for error, outcome in (("BudgetSpent", "INCONCLUSIVE"), ("AgentUnavailable", "PASS")):
            fault = Fault(session_id="s", error=error, message="5.00 USD are spent")
            missing = [gate.missing_trial(lost, [fault])]
            cases = [case(case_id=i) for i in ids]
            verdict = gate.replay(bundle(made, cases, cards, missing, rule="point"))
            assert (verdict.outcome, "5.00 USD are spent" in verdict.reason) == (outcome, True)
