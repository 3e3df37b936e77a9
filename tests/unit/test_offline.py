"""The states of the story on a directory, with agents that say what they are told to."""

import json
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from driftgate import (
    benchmark_runs,
    budgets,
    canonical,
    datasets,
    evidence,
    executions,
    forecasts,
    gate,
    in_process,
    offline,
    planning,
    prices,
    registry,
)
from driftgate.adapters.judges import judge_of
from driftgate.adapters.local import LocalArtifacts, LocalRegistry, SystemClock
from driftgate.adapters.local_ledger import LocalLedger
from driftgate.errors import (
    AgentUnavailable,
    BadInput,
    BudgetSpent,
    InfrastructureFailed,
    IntegrityFailed,
)
from driftgate.ports import Reply
from driftgate.schemas.benchmark import BenchmarkRequest
from driftgate.schemas.capacity import Quotas
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.endpoints import Endpoint
from driftgate.schemas.ledger import LedgerQuery
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.policies import SEQUENTIAL_LOOKS, Policy
from driftgate.schemas.prices import PriceTable
from driftgate.schemas.runs import (
    Attempt,
    DecideGateRequest,
    PlanRunRequest,
    PreflightRequest,
    PublishRunRequest,
    RunCaseRequest,
    RunRow,
    ScoreCaseRequest,
    TrialKey,
)
from tests.builders import bundle, card, case, manifest, plan, trace

CLOCK = SystemClock()
HEADER = DatasetHeader(name="bank", version="1.0.0", owner="us", changelog="x", tools={})
CASES = [case(case_id=name, turns=[{"user": name}]) for name in "ab"]
REQUEST = PlanRunRequest(
    agent="teller", version="1.0.0", absolute=True, environment="dev", looks=(1,)
)
GOOD = {"task_success": 1.0, "tool_call_accuracy": 1.0}


class Agents:
    """A runtime whose agents answer every turn, and break on those that are named."""

    def __init__(self, *breaks_on):
        self.breaks_on = breaks_on
        self.seeds, self.asked, self.open_sessions, self.waited = {}, [], set(), []

    def open(self, agent, session_id, seed):
        self.seeds[session_id] = seed
        self.open_sessions.add(session_id)
        return Session(self)

    def end(self, agent, session_id):
        self.open_sessions.remove(session_id)


class Session:
    def __init__(self, agents):
        self.agents = agents

    def say(self, turn, timeout_s):
        self.agents.asked.append(turn)
        self.agents.waited.append(timeout_s)
        if turn in self.agents.breaks_on:
            raise AgentUnavailable(f"no {turn}")
        return Reply(text="done")


class NoTools:
    """Tools that nobody calls."""

    def register(self, session_id, agent, case):
        pass

    def calls(self, session_id, after):
        return []


HERE = {"kind": "http", "command": ["serve"], "code": {"include": ["*.py"]}}


@pytest.fixture
def stored(tmp_path):
    """A registry with the dataset and two versions of the agent."""
    stored = LocalRegistry(tmp_path / "registry")
    publish(stored, "1.0.0", *CASES)
    for number in ("1.0.0", "1.1.0"):
        registry.publish_agent(sealed(number, target=HERE), None, stored)
    return stored


@pytest.fixture
def runs(tmp_path):
    return LocalArtifacts(tmp_path)


def publish(stored, number, *cases):
    header = HEADER.model_copy(update={"version": number})
    registry.publish_dataset(datasets.build(header, cases), stored, CLOCK, author="me")


def sealed(number, code=None, **rest):
    content = Manifest.model_validate(manifest(version=number, **rest))
    return registry.seal_agent(content, (), {}, code)


def new_id():
    return uuid.uuid4().hex


def asked_for(**changes):
    return REQUEST.model_copy(update=changes)


class TestPlanning:
    @pytest.mark.parametrize(
        "changes",
        [
            {"looks": (2,)},
            {"seed": 1},
            {"repeat": 1},
            {"case_ids": ("a",)},
            {"version": "1.1.0"},
            {"absolute": False, "baseline": "1.1.0"},
        ],
    )
    def test_whoever_asks_for_something_else_gets_another_run(self, stored, runs, changes):
        first = offline.plan_run(REQUEST, stored, runs)
        assert offline.plan_run(REQUEST, stored, runs) == first
        assert offline.plan_run(asked_for(**changes), stored, runs).run_id != first.run_id

    def test_a_gate_reuses_no_session_as_its_trials_would_not_be_independent(self, stored, runs):
        lanes = asked_for(sessions="reuse_lane")
        with pytest.raises(BadInput, match=r"wanted stateless in its manifest .* got stateful"):
            offline.plan_run(lanes, stored, runs)
        agent = sealed("3.0.0", target=HERE, sessions="stateless")
        registry.publish_agent(agent, None, stored)
        with pytest.raises(BadInput, match="not independent"):
            offline.plan_run(lanes.model_copy(update={"version": "3.0.0"}), stored, runs)

    def test_of_a_recording_only_the_trials_of_the_plan_are_taken(self, stored, runs):
        recorded = [
            trace().model_copy(update={"case_id": name, "trial": trial})
            for name, trial in (("a", 1), ("a", 2), ("b", 1), ("elsewhere", 1))
        ]
        code = b"\n".join(evidence.to_bytes(one) for one in recorded)
        agent = sealed(
            "2.0.0", canonical.sha256(code), target={"kind": "recorded", "traces": "t.jsonl"}
        )
        registry.publish_agent(agent, code, stored)
        wanted = asked_for(version="2.0.0", case_ids=("a",))
        run_id = offline.plan_run(wanted, stored, runs).run_id
        assert runs.keys(f"runs/{run_id}/traces/") == [f"runs/{run_id}/traces/candidate/1/a.json"]


class TestCapacity:
    QUOTAS = Quotas(functions=300, target_s=30)

    def planned(self, stored, runs, **asked):
        wanted = asked_for(absolute=False, baseline="1.1.0", **asked)
        result = offline.plan_run(wanted, stored, runs, quotas=self.QUOTAS)
        return result, evidence.load_plan(result.run_id, runs).capacity

    def finished(self, stored, runs, *seconds, **entered):
        """A finished run of both versions whose trials took so long."""
        wanted = asked_for(absolute=False, baseline="1.1.0", seed=len(seconds))
        run_id = offline.plan_run(wanted, stored, runs).run_id
        for name, latency_s in zip("ab", seconds, strict=False):
            for arm in ("baseline", "candidate"):
                made = card(name, arm, **GOOD)
                took = made.efficiency.model_copy(update={"latency_s": latency_s})
                key = TrialKey(arm=arm, trial=1, case_id=name)
                scored = made.model_copy(update={"efficiency": took})
                evidence.store_scores(run_id, key, scored, runs)
        row = {
            **{"run_id": run_id, "finished_at": CLOCK.now(), "environment": "dev"},
            **{"agent": "teller", "version": "1.0.0", "digest": "0" * 64, "baseline": "1.1.0"},
            **{"dataset": "bank@1.0.0", "cases": 2, "of_cases": 2, "outcome": "PASS"},
        }
        registry.record_run(RunRow.model_validate({**row, **entered}), stored)

    def test_the_plan_freezes_a_concurrency_and_the_time_it_comes_to(self, stored, runs):
        result, frozen = self.planned(stored, runs, looks=(15,))
        # 60 trials of 35 s: the slowest takes 105 s, so 30 s can't be held, whatever is done.
        assert (frozen.trials, frozen.measured, frozen.limited_by) == (
            60,
            False,
            "the number of trials",
        )
        assert result.concurrency == frozen.concurrency == 60
        assert (frozen.wall_s, result.warning) == (140, frozen.warning)
        assert "may take 2 min, wanted 30 s" in result.warning

    def test_a_trial_is_taken_to_last_as_earlier_ones_did(self, stored, runs):
        self.finished(stored, runs, 1.0, 3.0)
        _, frozen = self.planned(stored, runs, looks=(15,))
        # 60 trials of 2 s within 30 s, the slowest takes 6: five at a time, but 20 are the fewest.
        assert (frozen.seconds, frozen.measured) == (2.0, True)
        assert (frozen.concurrency, frozen.wall_s) == (20, 12)

    def test_trials_of_another_suite_say_nothing(self, stored, runs, tmp_path):
        self.finished(stored, runs, 1.0)
        plan, _ = planning.make_plan(REQUEST, stored)
        other = plan.model_copy(update={"suite": "adversarial"})
        agent = plan.arms["candidate"]
        assert forecasts.past(agent, plan, stored, runs).trials == 1
        assert forecasts.past(agent, other, stored, runs) is None

    def test_what_no_trial_tells_is_missing_and_not_zero(self, stored, runs):
        self.finished(stored, runs, 1.0)
        plan, _ = planning.make_plan(REQUEST, stored)
        found = forecasts.past(plan.arms["candidate"], plan, stored, runs)
        assert (found.seconds, found.cost_usd, found.input_tokens) == (1.0, None, None)

    def test_fewer_at_a_time_may_be_asked_for_and_no_more_than_the_quotas_allow(self, stored, runs):
        few, _ = self.planned(stored, runs, looks=(15,), concurrency=2)
        many, _ = self.planned(stored, runs, looks=(15,), concurrency=900, seed=1)
        assert (few.concurrency, many.concurrency) == (2, 60)
        assert few.warning


class TestAttempts:
    @pytest.fixture(autouse=True)
    def _stored(self, stored):
        self.stored = stored

    def attempt(self, run_id, runs, agents, **key):
        request = RunCaseRequest(run_id=run_id, **key)
        stored = self.stored
        return offline.run_case(request, runs, stored, agents, NoTools(), CLOCK, new_id)

    def test_every_trial_has_a_seed_of_its_own_and_keeps_it_when_tried_again(self, stored, runs):
        wanted = asked_for(absolute=False, baseline="1.1.0", looks=(2,))
        run_id = offline.plan_run(wanted, stored, runs).run_id
        keys = [
            {"arm": arm, "trial": trial, "case_id": name}
            for arm in ("baseline", "candidate")
            for trial in (1, 2)
            for name in "ab"
        ]
        broken, fine = Agents("a", "b"), Agents()
        for key in keys:
            with pytest.raises(AgentUnavailable):
                self.attempt(run_id, runs, broken, **key)
            self.attempt(run_id, runs, fine, **key)
        assert len(set(fine.seeds.values())) == 8
        assert list(fine.seeds.values()) == list(broken.seeds.values())

    def test_another_seed_of_the_run_is_another_one_for_the_agent(self, stored, runs):
        agents = Agents()
        for seed in (0, 1):
            run_id = offline.plan_run(asked_for(seed=seed), stored, runs).run_id
            self.attempt(run_id, runs, agents, arm="candidate", trial=1, case_id="a")
        assert len(set(agents.seeds.values())) == 2

    def test_a_session_is_ended_even_if_the_agent_breaks(self, stored, runs):
        run_id = offline.plan_run(REQUEST, stored, runs).run_id
        agents = Agents("b")
        self.attempt(run_id, runs, agents, arm="candidate", trial=1, case_id="a")
        with pytest.raises(AgentUnavailable):
            self.attempt(run_id, runs, agents, arm="candidate", trial=1, case_id="b")
        assert (len(agents.seeds), agents.open_sessions) == (2, set())
        assert evidence.all_open_sessions(run_id, runs) == []

    def test_over_its_budget_a_run_opens_no_session_and_the_fault_says_why(self, stored, runs):
        run_id = offline.plan_run(REQUEST, stored, runs).run_id
        budgets.hold(run_id, 1.0, stored)
        budgets.count_trial(run_id, "s", 1.0, stored)
        agents, key = Agents(), TrialKey(arm="candidate", trial=1, case_id="a")
        with pytest.raises(BudgetSpent):
            self.attempt(run_id, runs, agents, **key.model_dump())
        assert agents.seeds == {}
        (fault,) = evidence.load_faults(run_id, [key], runs)[key]
        assert fault.error == "BudgetSpent"

    def test_an_attempt_that_broke_costs_what_nobody_tells(self, stored, runs):
        run_id = offline.plan_run(REQUEST, stored, runs).run_id
        budgets.hold(run_id, 1.0, stored)
        with pytest.raises(AgentUnavailable):
            self.attempt(run_id, runs, Agents("a"), arm="candidate", trial=1, case_id="a")
        row = stored.row(f"spending/{run_id}")
        assert (row["told"], row["untold"]) == (0, 1)

    @pytest.mark.parametrize("breaks_on", ["a", ""])
    def test_the_session_of_a_preflight_is_known_before_it_is_open_and_ended_after(
        self, stored, runs, breaks_on
    ):
        run_id = offline.plan_run(REQUEST, stored, runs).run_id
        known = []

        class Asked(Agents):
            def open(self, agent, session_id, seed):
                known.extend(s.opened.session_id for s in evidence.all_open_sessions(run_id, runs))
                return super().open(agent, session_id, seed)

        agents, request = Asked(breaks_on), PreflightRequest(run_id=run_id)
        with pytest.raises(AgentUnavailable) if breaks_on else nullcontext():
            offline.preflight(request, runs, agents, NoTools(), CLOCK, new_id)
        assert known == list(agents.seeds)
        assert (agents.open_sessions, evidence.all_open_sessions(run_id, runs)) == (set(), [])

    def test_a_preflight_ends_what_a_killed_one_left(self, stored, runs):
        run_id = offline.plan_run(REQUEST, stored, runs).run_id
        agents = Agents()
        agents.open_sessions.add("left")
        opened = Attempt(session_id="left", at=CLOCK.now())
        evidence.mark_session(run_id, "candidate", "opened", opened, runs)
        offline.preflight(PreflightRequest(run_id=run_id), runs, agents, NoTools(), CLOCK, new_id)
        assert agents.open_sessions == set()

    def test_sessions_that_are_to_be_left_are_not_ended_but_those_of_dead_attempts_are(
        self, stored, runs
    ):
        run_id = offline.plan_run(asked_for(sessions="leave"), stored, runs).run_id
        key = {"arm": "candidate", "trial": 1, "case_id": "a"}
        agents = Agents()
        agents.open_sessions.add("dead")
        opened = Attempt(session_id="dead", at=CLOCK.now())
        evidence.mark_session(run_id, TrialKey(**key), "opened", opened, runs)
        left = self.attempt(run_id, runs, agents, **key).session_id
        assert agents.open_sessions == {left}
        self.attempt(run_id, runs, agents, **key)
        assert agents.open_sessions == {left}

    def test_both_agents_are_asked_before_the_first_trial_within_a_function_s_time(
        self, stored, runs
    ):
        for number in ("4.0.0", "4.1.0"):
            slow = sealed(number, target=HERE, limits={"case_s": 780.0})
            registry.publish_agent(slow, None, stored)
        wanted = asked_for(version="4.1.0", absolute=False, baseline="4.0.0")
        run_id = offline.plan_run(wanted, stored, runs).run_id
        agents = Agents()
        request = PreflightRequest(run_id=run_id)
        assert offline.preflight(request, runs, agents, NoTools(), CLOCK, new_id).asked == 2
        assert sum(agents.waited) < 900

    def test_an_attempt_that_was_given_up_but_lives_on_is_no_evidence(self, stored, runs):
        """Its session was ended under it, so its next turn met an agent that knew nothing."""
        run_id = offline.plan_run(REQUEST, stored, runs).run_id
        key = {"arm": "candidate", "trial": 1, "case_id": "a"}
        agents = Agents()

        class Overtaken(Agents):
            def open(self, agent, session_id, seed):
                session = super().open(agent, session_id, seed)
                say = session.say

                def say_late(turn, timeout_s):
                    agents.open_sessions.add(session_id)
                    test.second = test.attempt(run_id, runs, agents, **key)
                    return say(turn, timeout_s)

                session.say = say_late
                return session

        test, first = self, Overtaken()
        with pytest.raises(AgentUnavailable, match="another attempt ended"):
            self.attempt(run_id, runs, first, **key)
        trace = evidence.find_trace(run_id, RunCaseRequest(run_id=run_id, **key), runs)
        assert trace.session_id == self.second.session_id
        assert first.open_sessions | agents.open_sessions == set()


class TestDeciding:
    def decide(self, run_id, stored, runs):
        return offline.decide_gate(DecideGateRequest(run_id=run_id), stored, runs)

    def test_a_dataset_that_moved_since_the_plan_is_broken_evidence(self, stored, runs, tmp_path):
        run_id = offline.plan_run(REQUEST, stored, runs).run_id
        elsewhere = LocalRegistry(tmp_path / "elsewhere")
        publish(elsewhere, "1.0.0", *CASES, case(case_id="c"))
        key = "dataset/bank/1.0.0"
        assert stored.replace(key, elsewhere.row(key), expected=stored.row(key))
        result = self.decide(run_id, stored, runs)
        assert result.outcome == "INTEGRITY_FAIL"
        assert result.reason.startswith("dataset bank@1.0.0 had sha256 ")

    def test_an_agent_that_moved_since_the_plan_is_broken_evidence(self, stored, runs):
        run_id = offline.plan_run(REQUEST, stored, runs).run_id
        row = stored.row("agent/teller/1.0.0")
        other = json.loads(evidence.to_bytes(sealed("1.0.0", model="bigger")))
        assert stored.replace("agent/teller/1.0.0", other, expected=row)
        result = self.decide(run_id, stored, runs)
        assert result.outcome == "INTEGRITY_FAIL"
        assert result.reason.startswith(
            f"candidate teller 1.0.0 had digest {row['digest']} at the start, now {other['digest']}"
        )

    def test_a_case_that_was_edited_in_the_run_is_broken_evidence(self, stored, runs, tmp_path):
        run_id = offline.plan_run(REQUEST, stored, runs).run_id
        copy = tmp_path / "runs" / run_id / "cases" / "a.json"
        copy.write_text(copy.read_text().replace('"user":"a"', '"user":"z"'))
        result = self.decide(run_id, stored, runs)
        assert result.outcome == "INTEGRITY_FAIL"
        assert result.reason == "the run's copy of a case is not what dataset bank@1.0.0 holds"


class TestEndpointsOfAgentCore:
    """An endpoint serves one version from the plan to the decision, or nothing is decided."""

    ARN = "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/teller-a1B2c3D4e5"

    class Endpoints(dict):
        """Live versions by endpoint's name."""

        status = "READY"

        def endpoint(self, runtime_arn, name):
            assert runtime_arn == TestEndpointsOfAgentCore.ARN
            if name not in self:
                return None
            return Endpoint(name=name, status=self.status, live_version=self[name])

    @pytest.fixture
    def request_of_two(self, stored):
        for version in ("5.0.0", "5.1.0"):
            qualifier = f"dg_{version.replace('.', '_')}"
            target = {"kind": "agentcore", "runtime_arn": self.ARN, "qualifier": qualifier}
            registry.publish_agent(sealed(version, target=target), None, stored)
        return asked_for(version="5.1.0", absolute=False, baseline="5.0.0")

    def decide(self, run_id, stored, runs, endpoints):
        return offline.decide_gate(DecideGateRequest(run_id=run_id), stored, runs, endpoints)

    def test_the_plan_freezes_what_each_arms_endpoint_serves(self, stored, runs, request_of_two):
        endpoints = self.Endpoints(dg_5_0_0="3", dg_5_1_0="7")
        run_id = offline.plan_run(request_of_two, stored, runs, endpoints).run_id

        assert evidence.load_plan(run_id, runs).live_versions == {"baseline": "3", "candidate": "7"}
        endpoints["dg_5_1_0"] = "8"
        assert offline.plan_run(request_of_two, stored, runs, endpoints).run_id == run_id
        assert evidence.load_plan(run_id, runs).live_versions["candidate"] == "7"

    @pytest.mark.parametrize("arm", ["baseline", "candidate"])
    @pytest.mark.parametrize("now", ["9", None])
    def test_one_that_was_repointed_or_deleted_since_is_broken_evidence(
        self, stored, runs, request_of_two, arm, now
    ):
        endpoints = self.Endpoints(dg_5_0_0="3", dg_5_1_0="7")
        run_id = offline.plan_run(request_of_two, stored, runs, endpoints).run_id
        name, version = ("dg_5_0_0", "3") if arm == "baseline" else ("dg_5_1_0", "7")
        if now is None:
            del endpoints[name]
        else:
            endpoints[name] = now

        result = self.decide(run_id, stored, runs, endpoints)

        assert result.outcome == "INTEGRITY_FAIL"
        assert f"endpoint {name} of {self.ARN} served version {version} at" in result.reason
        assert result.reason.endswith("now it is gone" if now is None else "now version 9")

    def test_a_run_that_was_decided_before_is_not_decided_on_as_if_nothing_had_moved(
        self, stored, runs, request_of_two
    ):
        endpoints = self.Endpoints(dg_5_0_0="3", dg_5_1_0="7")
        run_id = offline.plan_run(request_of_two, stored, runs, endpoints).run_id
        first = self.decide(run_id, stored, runs, endpoints)
        assert self.decide(run_id, stored, runs, endpoints) == first
        assert first.outcome == "INCONCLUSIVE"  # as no trial was made
        endpoints["dg_5_1_0"] = "8"

        with pytest.raises(IntegrityFailed, match="now version 8; the run was decided on before"):
            self.decide(run_id, stored, runs, endpoints)

    def test_who_can_not_look_at_them_decides_nothing(self, stored, runs, request_of_two):
        endpoints = self.Endpoints(dg_5_0_0="3", dg_5_1_0="7")
        run_id = offline.plan_run(request_of_two, stored, runs, endpoints).run_id

        with pytest.raises(InfrastructureFailed, match="nobody here can look at dg_5_0_0"):
            self.decide(run_id, stored, runs, None)

    def test_one_that_is_not_there_or_not_ready_is_told_before_anything_is_run(
        self, stored, runs, request_of_two
    ):
        with pytest.raises(BadInput, match=r"endpoint dg_5_1_0 of .* does not exist"):
            offline.plan_run(request_of_two, stored, runs, self.Endpoints(dg_5_0_0="3"))
        changing = self.Endpoints(dg_5_0_0="3", dg_5_1_0="7")
        changing.status = "UPDATING"
        with pytest.raises(AgentUnavailable, match="wanted it READY, it is UPDATING"):
            offline.plan_run(request_of_two, stored, runs, changing)


class TestPublishing:
    @pytest.mark.parametrize(
        ("case_ids", "scored", "published", "rows"),
        [
            ("ab", "ab", True, 1),
            ("ab", "a", True, 0),
            ("a", "a", True, 0),
            ("ab", "ab", False, 0),
        ],
        ids=["whole", "a trial is missing", "a part", "a draft"],
    )
    def test_only_a_whole_run_on_a_published_dataset_validates_it(
        self, stored, runs, tmp_path, case_ids, scored, published, rows
    ):
        made = plan(list(case_ids), "candidate", of=2)
        dataset = made.dataset.model_copy(update={"published": published})
        made = made.model_copy(update={"dataset": dataset})
        cards = [card(i, "candidate", **GOOD) for i in scored]
        missing = [
            gate.missing_trial(key, []) for key in made.trial_keys(1) if key.case_id not in scored
        ]
        decided_on = bundle(made, CASES[: len(case_ids)], cards, missing, rule="point")
        verdict = gate.replay(decided_on)
        key = evidence.store_verdict(verdict, decided_on, runs)
        request = PublishRunRequest(verdict_key=key, environment="dev", execution="e-1")
        offline.publish_run(request, stored, runs, LocalArtifacts(tmp_path / "records"), CLOCK)
        assert registry.load_run(made.run_id, stored).outcome == verdict.outcome
        assert len(stored.rows("validated/bank/1.0.0/teller/")) == rows


def ports_of(stored, runs, ledger, agents):
    return in_process.Ports(
        registry=stored,
        runs=runs,
        records=runs,
        ledger=ledger,
        runtime=agents,
        tools=NoTools(),
        clock=CLOCK,
        judge_of=judge_of,
        variables=lambda agents: None,
        begins=lambda run_id, capacity, cost: None,
    )


def run_here(stored, runs, ledger, agents, policy, **asked):
    ended = in_process.run(
        asked_for(**asked),
        policy,
        ports_of(stored, runs, ledger, agents),
        rerun=False,
        concurrency=1,
        progress=lambda done, of: None,
    )
    return ended.verdict, ended.made


class Killed(Exception):
    pass


class DyingLedger(LocalLedger):
    """A ledger whose writer is killed, before or after it has written."""

    def __init__(self, path, dies):
        super().__init__(path)
        self.dies = dies

    def put_once(self, row):
        if self.dies == "after":
            super().put_once(row)
        raise Killed


class TestLedger:
    def rows(self, path):
        return list(executions.every(LocalLedger(path), LedgerQuery()))

    def test_every_trial_of_a_run_is_one_row(self, stored, runs, tmp_path):
        path = tmp_path / "ledger.sqlite"
        verdict, _ = run_here(
            *(stored, runs, LocalLedger(path), Agents(), Policy(rule="point")),
            **{"absolute": False, "baseline": "1.1.0", "looks": (2,)},
        )
        found = self.rows(path)
        assert len(found) == 2 * 2 * 2
        assert {(one.agent, one.version) for one in found} == {
            ("teller", "1.0.0"),
            ("teller", "1.1.0"),
        }
        assert {one.run_id for one in found} == {verdict.run_id}
        assert all(runs.get(one.trace) for one in found)
        assert {one.dataset for one in found} == {"bank@1.0.0"}
        assert {one.origin for one in found} == {"offline"}

    @pytest.mark.parametrize("dies", ["before", "after"])
    def test_a_row_that_a_crash_left_unwritten_appears_without_asking_the_agent_again(
        self, stored, runs, tmp_path, dies
    ):
        path, agents = tmp_path / "ledger.sqlite", Agents()
        one = {"case_ids": ("a",)}
        with pytest.raises(Killed):
            run_here(stored, runs, DyingLedger(path, dies), agents, Policy(rule="point"), **one)
        assert any("/traces/" in key for key in runs.keys("runs/"))
        assert len(self.rows(path)) == (1 if dies == "after" else 0)
        run_here(stored, runs, LocalLedger(path), agents, Policy(rule="point"), **one)
        assert [row.case_id for row in self.rows(path)] == ["a"]
        assert agents.asked == ["a", "a"]  # by the preflight, and once for the trial

    def test_two_workers_that_score_one_trial_leave_one_row(self, stored, runs, tmp_path):
        path = tmp_path / "ledger.sqlite"
        run_here(stored, runs, LocalLedger(path), Agents(), Policy(rule="point"))
        (before,) = (one for one in self.rows(path) if one.case_id == "a")
        again = ScoreCaseRequest(run_id=before.run_id, arm="candidate", trial=1, case_id="a")
        with ThreadPoolExecutor(4) as pool:
            done = [
                pool.submit(offline.score_case, again, runs, LocalLedger(path), CLOCK)
                for _ in range(4)
            ]
            assert {one.result().scored for one in done} == {done[0].result().scored}
        assert [one for one in self.rows(path) if one.case_id == "a"] == [before]

    def test_a_row_keeps_the_price_of_its_day_after_the_table_has_changed(
        self, stored, runs, tmp_path, monkeypatch
    ):
        def table(usd):
            price = {"model": "none", "effective": "2020-01-01", "input_usd": usd}
            price |= {"output_usd": 0, "source": "a page"}
            return PriceTable.model_validate({"version": "2026-11-20", "prices": [price]})

        path = tmp_path / "ledger.sqlite"
        monkeypatch.setattr(prices, "shipped", lambda: table(2.0))
        run_here(stored, runs, LocalLedger(path), TokenAgents(), Policy(rule="point"))
        monkeypatch.setattr(prices, "shipped", lambda: table(9.0))
        for one in self.rows(path):
            again = ScoreCaseRequest(run_id=one.run_id, arm="candidate", trial=1, case_id="a")
            offline.score_case(again, runs, LocalLedger(path), CLOCK)
        assert {(one.cost_usd, one.price.input_usd) for one in self.rows(path)} == {(2.0, 2.0)}

    def test_trials_of_an_earlier_run_that_stand_for_the_baselines_are_not_counted_twice(
        self, stored, runs, tmp_path
    ):
        path = tmp_path / "ledger.sqlite"
        first, _ = run_here(stored, runs, LocalLedger(path), Agents(), Policy(rule="point"))
        run_here(
            *(stored, runs, LocalLedger(path), Agents(), Policy(rule="point")),
            **{"version": "1.1.0", "absolute": False, "baseline": "1.0.0"},
            baseline_run=first.run_id,
        )
        assert sorted((one.version, one.case_id) for one in self.rows(path)) == [
            ("1.0.0", "a"),
            ("1.0.0", "b"),
            ("1.1.0", "a"),
            ("1.1.0", "b"),
        ]


class ModelAgents(Agents):
    """Agents that tell in which order the sessions of which model were opened."""

    def __init__(self, *breaks_on):
        super().__init__(*breaks_on)
        self.started = []

    def open(self, agent, session_id, seed):
        self.started.append(agent.manifest.model)
        return super().open(agent, session_id, seed)


class TestBenchmarks:
    MODELS = ("large", "small", "tiny")

    @pytest.fixture
    def opened(self, stored):
        """A version that leaves its model open."""
        request = {"prompt": "{{turn}}", "model": "{{model}}"}
        invocation = {"request": request, "response": {"final_response": "/answer"}}
        agent = sealed("3.0.0", target=HERE, invocation=invocation)
        registry.publish_agent(agent, None, stored)
        return stored

    def run(self, stored, runs, agents, ledger, rerun=False, **asked):
        request = BenchmarkRequest.model_validate(
            {
                "agent": "teller",
                "version": "3.0.0",
                "models": self.MODELS,
                "environment": "dev",
                "trials": 2,
                **asked,
            }
        )
        ports = ports_of(stored, runs, ledger, agents)
        return benchmark_runs.run(
            request, ports, rerun=rerun, concurrency=1, progress=lambda done, of: None
        )

    def rows(self, ledger, done):
        return list(executions.every(ledger, LedgerQuery(run_id=done.benchmark_id)))

    def test_every_model_is_tried_on_every_case_as_often_and_each_trial_is_a_row(
        self, opened, runs, tmp_path
    ):
        ledger = LocalLedger(tmp_path / "ledger.sqlite")
        done = self.run(opened, runs, ModelAgents(), ledger)
        assert (done.trials, done.made, done.missing) == (12, 12, 0)
        found = self.rows(ledger, done)
        tried = Counter((one.model, one.case_id) for one in found)
        assert tried == {(model, case_id): 2 for model in self.MODELS for case_id in "ab"}
        assert {one.origin for one in found} == {"benchmark"}
        assert len({one.digest for one in found}) == 3

    def test_trials_of_the_models_are_made_side_by_side(self, opened, runs, tmp_path):
        agents = ModelAgents()
        self.run(opened, runs, agents, LocalLedger(tmp_path / "ledger.sqlite"))
        trials = agents.started[3:]  # after a preflight of each
        rounds = [trials[n : n + 3] for n in range(0, 12, 3)]
        assert all(set(one) == set(self.MODELS) for one in rounds)
        assert {one[0] for one in rounds} == set(self.MODELS)

    def test_taken_up_again_it_makes_what_is_missing_alone(self, opened, runs, tmp_path):
        ledger, fine = LocalLedger(tmp_path / "ledger.sqlite"), ModelAgents()
        broken = self.run(opened, runs, ModelAgents("b"), ledger)
        assert (broken.made, broken.missing) == (6, 6)
        done = self.run(opened, runs, fine, ledger)
        assert (done.benchmark_id, done.made, done.missing) == (broken.benchmark_id, 6, 0)
        assert set(fine.asked) == {"b"}
        assert len(self.rows(ledger, done)) == 12
        again = self.run(opened, runs, ModelAgents(), ledger)
        assert (again.benchmark_id, again.made) == (done.benchmark_id, 0)

    def test_made_again_on_purpose_it_is_another_benchmark(self, opened, runs, tmp_path):
        ledger = LocalLedger(tmp_path / "ledger.sqlite")
        first = self.run(opened, runs, ModelAgents(), ledger, trials=1)
        again = self.run(opened, runs, ModelAgents(), ledger, trials=1, rerun=True)
        assert again.benchmark_id != first.benchmark_id
        assert again.made == 6

    def test_an_agent_whose_manifest_leaves_no_model_open_is_refused(self, stored, runs, tmp_path):
        with pytest.raises(BadInput, match=r"teller 1\.0\.0: wanted \{\{model\}\} in its target's"):
            self.run(stored, runs, Agents(), LocalLedger(tmp_path / "l"), version="1.0.0")

    def test_a_model_given_twice_is_refused(self, opened, runs, tmp_path):
        with pytest.raises(ValueError, match="wanted each model once, got large twice"):
            self.run(opened, runs, Agents(), None, models=("large", "large"))

    def test_a_lane_of_sessions_is_refused(self, opened, runs, tmp_path):
        with pytest.raises(BadInput, match="each attempt's calls are told apart by its session"):
            self.run(opened, runs, Agents(), None, sessions="reuse_lane")

    def test_an_agent_that_does_not_start_with_a_model_leaves_nothing_behind(
        self, opened, runs, tmp_path
    ):
        with pytest.raises(AgentUnavailable, match="no a"):
            self.run(opened, runs, Agents("a"), LocalLedger(tmp_path / "ledger.sqlite"))
        assert not runs.keys("runs/")

    def test_its_runs_can_not_be_taken_up_one_by_one(self, opened, runs, tmp_path):
        done = self.run(opened, runs, ModelAgents(), LocalLedger(tmp_path / "ledger.sqlite"))
        part = evidence.load_plan(done.runs["large"], runs)
        with pytest.raises(BadInput, match=f"is a part of benchmark {done.benchmark_id}"):
            planning.request_again(part, "dev")


class TokenAgents(Agents):
    def open(self, agent, session_id, seed):
        super().open(agent, session_id, seed)
        return TokenSession(self)


class TokenSession(Session):
    def say(self, turn, timeout_s):
        super().say(turn, timeout_s)
        return Reply(text="done", input_tokens=10**6, output_tokens=0)


class TestResuming:
    def run(self, stored, runs, tmp_path, agents, policy=Policy(rule="point"), **asked):  # noqa: B008
        ledger = LocalLedger(tmp_path / "ledger.sqlite")
        return run_here(stored, runs, ledger, agents, policy, **asked)

    def test_a_run_that_is_taken_up_again_asks_only_what_is_missing(self, stored, runs, tmp_path):
        """The preflight was before the first start, and is not made again."""
        broken, fine = Agents("b"), Agents()
        before, made = self.run(stored, runs, tmp_path, broken)
        assert (before.outcome, made) == ("INCONCLUSIVE", 2)
        assert broken.asked == ["a", "a", "b", "b", "b"]
        after, made = self.run(stored, runs, tmp_path, fine)
        assert (after.missing, made) == ((), 1)
        assert fine.asked == ["b"]

    def test_a_run_that_took_several_looks_is_not_made_again_and_keeps_its_verdict_and_link(
        self, stored, runs, tmp_path
    ):
        """Two cases prove nothing, so all looks are taken; every start decides from the first."""
        looks = {"absolute": False, "baseline": "1.1.0", "looks": SEQUENTIAL_LOOKS}
        agents = Agents()
        first, made = self.run(stored, runs, tmp_path, agents, Policy(), **looks)
        assert (first.outcome, first.trials, made) == ("INCONCLUSIVE", 5, 2 * 2 * 5)
        kept = {
            path: path.read_bytes() for path in tmp_path.glob("verdicts/**/*") if path.is_file()
        }
        asked = len(agents.asked)
        again, made = self.run(stored, runs, tmp_path, agents, Policy(), **looks)
        assert (again, made, len(agents.asked)) == (first, 0, asked)
        assert len(kept) == 4  # bundle, verdict, what it cost, link
        assert kept == {
            path: path.read_bytes() for path in tmp_path.glob("verdicts/**/*") if path.is_file()
        }

    def test_a_score_that_came_late_lets_an_earlier_look_decide_and_no_start_disagrees(
        self, stored, runs, tmp_path
    ):
        """All looks are there when the first one decides; the next start sees the first alone."""
        ids = [f"c{n:03}" for n in range(120)]
        cases = [case(case_id=i) for i in ids]
        made = plan(ids, "baseline", "candidate").model_copy(update={"looks": SEQUENTIAL_LOOKS})
        cards = [card(key.case_id, key.arm, key.trial, **GOOD) for key in made.trial_keys(3)]
        late = bundle(made, cases, cards, look=3)
        soon = bundle(made, cases, [c for c in cards if c.trial <= 2], look=1)
        verdict = gate.replay(late)
        assert (verdict.outcome, verdict.trials) == ("PASS", 2)
        assert gate.decided_on(verdict, late) == gate.decided_on(verdict, soon) == soon
        assert gate.replay(soon) == verdict
