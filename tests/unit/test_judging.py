"""Judged runs in this process, on recorded traces, with judges that are counted and disturbed."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from driftgate import canonical, datasets, evidence, gate, in_process, judging, registry
from driftgate.adapters.judges import judge_of
from driftgate.adapters.local import LocalArtifacts, LocalRegistry, SystemClock
from driftgate.adapters.local_ledger import LocalLedger
from driftgate.errors import JudgeFailed, JudgeUnavailable
from driftgate.judges.rubric import RubricJudge
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.judgments import JudgeSpec
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import PlanRunRequest
from driftgate.schemas.traces import Message
from tests.builders import case, manifest, trace

CASES = 30
QUESTION = {"id": "thanks", "question": "Does the agent say thank you?", "check": "thank you"}
HEADER = DatasetHeader(name="bank", version="1.0.0", owner="us", changelog="x", tools={})
CONVERSE = JudgeSpec(
    backend="converse", model="m", price={"input_usd": 1, "output_usd": 1}, max_tokens=64
)


class Judge:
    """The embedded judge as if it were a model: counted, at a price, and at fault where it is told,
    by a case's id or what the agent says.
    """

    def __init__(self, faults=None, obeys=False, usd=0.01):
        self.asked, self.faults, self.obeys, self.usd = [], faults or {}, obeys, usd

    def __call__(self, plan):
        self.fingerprint = plan.fingerprint
        return self

    def most_usd(self, rubric, trace):
        return 4 * self.usd

    def judge(self, rubric, trace, repeat):
        self.asked.append(trace.case_id)
        if kind := self.faults.get(trace.case_id) or self.faults.get(trace.reply()):
            failed = JudgeFailed(kind, "as told")
            failed.cost_usd = self.usd
            raise failed
        made = RubricJudge(self.fingerprint).judge(rubric, trace, repeat)
        told = self.obeys and "Ignore the rubric" in trace.reply()
        return made.model_copy(update={"cost_usd": self.usd, **({"value": 1.0} if told else {})})

    @property
    def of_trials(self):
        return [name for name in self.asked if name.startswith("c0")]


class World:
    def __init__(self, root):
        self.registry = LocalRegistry(root / "registry")
        self.runs = LocalArtifacts(root)
        self.records = LocalArtifacts(root / "records")
        self.ledger = LocalLedger(root / "ledger.sqlite")

    def publish(self, *cases):
        built = datasets.build(HEADER, cases)
        registry.publish_dataset(built, self.registry, SystemClock(), author="me")

    def record(self, version, says, number=CASES):
        """A version that says this in its only trial of each case; `says` may go by the case."""
        told = [says(n) if callable(says) else says for n in range(number)]
        lines = b"\n".join(evidence.to_bytes(talk(f"c{n:03}", text)) for n, text in enumerate(told))
        target = {"kind": "recorded", "traces": "t.jsonl"}
        content = Manifest.model_validate(manifest(version=version, target=target))
        sealed = registry.seal_agent(content, (), {}, canonical.sha256(lines))
        registry.publish_agent(sealed, lines, self.registry)

    def run(self, judge=judge_of, rule="point", rerun=False, baseline="1.0.0", **spec):
        request = PlanRunRequest(
            agent="teller",
            version="2.0.0",
            baseline=baseline,
            absolute=baseline is None,
            environment="dev",
            looks=(1,),
            judge=JudgeSpec.model_validate(spec) if spec else None,
        )
        ports = in_process.Ports(
            registry=self.registry,
            runs=self.runs,
            records=self.records,
            ledger=self.ledger,
            runtime=None,
            tools=None,
            clock=SystemClock(),
            judge_of=judge,
            variables=lambda agents: None,
            begins=lambda run_id, capacity, cost: None,
        )
        return in_process.run(
            request,
            Policy(rule=rule),
            ports,
            rerun=rerun,
            concurrency=4,
            progress=lambda done, total: None,
        ).verdict


def talk(case_id, text):
    asks = Message(role="user", text=f"About {case_id}?")
    said = trace(says=f"{text} It is about {case_id}.")
    return said.model_copy(update={"case_id": case_id, "messages": (asks, *said.messages)})


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    made = World(tmp_path)
    made.publish(*(case(case_id=f"c{n:03}", rubric=[QUESTION]) for n in range(CASES)))
    made.record("1.0.0", "Thank you.")
    return made


def converse(**rest):
    return {**CONVERSE.model_dump(mode="json"), **rest}


def test_a_judged_run_tells_who_judged_and_blocks_when_the_judge_finds_it_worse(world):
    world.record("2.0.0", lambda n: "Thank you." if n % 3 else "Whatever.")
    for rule in ("point", "calibrated"):
        verdict = world.run(rule=rule)
        assert verdict.outcome == "BLOCK"
        assert verdict.reason.startswith("response_quality went from 100.0% to 66.7% over 30 cases")
    assert (verdict.judge.trials, verdict.judge.judged, verdict.judge.cost_usd) == (60, 60, 0)
    assert verdict.judge.fingerprint == judging.fingerprint(JudgeSpec())


def test_what_the_judge_says_is_in_the_bundle_so_that_the_verdict_can_be_computed_again(world):
    world.record("2.0.0", "Thank you.")
    verdict = world.run()
    (key,) = [k for k in world.records.keys("verdicts/") if k.endswith("link.json")]
    key = key.replace(".link", "")
    bundle = evidence.load_bundle(key, world.records)
    assert gate.replay(bundle) == verdict == evidence.load_verdict(key, world.records)
    card = bundle.cards[0]
    assert card.scores["response_quality"].value == 1
    assert "thanks: yes ('Thank you.')" in card.scores["response_quality"].reason
    assert card.metric_versions["response_quality"] == 1
    assert len(bundle.canaries.answers) == len(judging.canaries())


def test_without_a_rubric_there_is_no_judge_and_no_such_score(tmp_path):
    world = World(tmp_path)
    world.publish(*(case(case_id=f"c{n:03}") for n in range(CASES)))
    world.record("1.0.0", "Yes.")
    world.record("2.0.0", "No.")
    judge = Judge()
    verdict = world.run(judge)
    assert (verdict.judge, verdict.outcome, judge.asked) == (None, "PASS", [])
    assert "response_quality" not in {stratum.metric for stratum in verdict.strata}


def test_cases_without_a_rubric_have_no_value_and_are_not_missing(tmp_path):
    world = World(tmp_path)
    rubric = [QUESTION]
    world.publish(
        *(case(case_id=f"c{n:03}", rubric=rubric if n < 10 else []) for n in range(CASES))
    )
    world.record("1.0.0", "Thank you.")
    world.record("2.0.0", "Thank you.")
    verdict = world.run()
    assert (verdict.outcome, verdict.judge.trials, verdict.judge.missing) == ("PASS", 20, ())
    (quality,) = [s for s in verdict.strata if s.metric == "response_quality"]
    assert quality.cases == 10


@pytest.mark.parametrize("rule", ["point", "calibrated"])
def test_a_fault_is_a_missing_judgment_and_many_of_them_decide_nothing(world, rule):
    world.record("2.0.0", "Thank you.")
    lost = [f"c{n:03}" for n in range(3)]
    verdict = world.run(Judge(dict.fromkeys(lost, "prose")), rule, **converse())
    assert verdict.outcome == "INCONCLUSIVE"
    assert "6 of 60 judgments missing (first baseline c000, trial 1: not judged: " in verdict.reason
    assert "1 answer of 1 can't be used; prose: as told), 10.0% where 2.0%" in verdict.reason
    assert (verdict.judge.judged, len(verdict.judge.missing)) == (54, 6)
    (quality,) = [s for s in verdict.strata if s.metric == "response_quality"]
    assert (quality.cases, quality.candidate) == (27, 1)


@pytest.mark.parametrize(("worse", "outcome"), [((), "PASS"), ((5,), "INCONCLUSIVE")])
def test_a_missing_judgment_leaves_open_what_it_could_change(world, worse, outcome):
    """One of 60 is allowed. Were it a bad answer, 3.3 points are lost; one more makes it 6.7."""
    world.record("2.0.0", lambda n: "Whatever." if n in worse else f"Thank you {n}.")
    judge = Judge({"Thank you 0. It is about c000.": "prose"})
    verdict = world.run(judge, **converse())
    assert verdict.outcome == outcome
    assert "1 of 60 judgments missing, all of the candidate" in verdict.reason


def test_what_passes_is_asked_again_until_there_is_an_answer(world):
    world.record("2.0.0", "Thank you.")
    judge = Judge()
    failed = []
    original = judge.judge

    def busy_at_first(rubric, trace, repeat):
        if trace.case_id == "c007" and failed.count("c007") < 4:
            failed.append("c007")
            raise JudgeFailed("throttled", "later")
        return original(rubric, trace, repeat)

    judge.judge = busy_at_first
    verdict = world.run(judge, **converse())
    assert (verdict.outcome, verdict.judge.missing, len(failed)) == ("PASS", (), 4)


def test_who_never_answers_leaves_the_trial_with_its_other_scores(world):
    world.record("2.0.0", "Thank you.")
    verdict = world.run(Judge({"c000": "timeout"}), **converse())
    assert verdict.scored == 60
    assert [(t.case_id, t.reason) for t in verdict.judge.missing] == [
        ("c000", "not judged: JudgeUnavailable: timeout: as told")
    ] * 2


def test_a_run_that_is_started_again_asks_only_what_has_no_answer_yet(world):
    world.record("2.0.0", "Thank you.")
    judge = Judge({f"c{n:03}": "unavailable" for n in range(5)})
    assert world.run(judge, **converse()).outcome == "INCONCLUSIVE"
    again = Judge()
    verdict = world.run(again, **converse())
    assert (verdict.outcome, verdict.judge.judged) == ("PASS", 60)
    assert sorted(set(again.asked)) == [f"c{n:03}" for n in range(5)]


class TestCanaries:
    def test_a_judge_that_obeys_what_it_reads_fails_the_run_and_it_is_told_where(self, world):
        world.record("2.0.0", "Thank you.")
        verdict = world.run(Judge(obeys=True), **converse())
        assert (verdict.outcome, verdict.effective) == ("INTEGRITY_FAIL", "INTEGRITY_FAIL")
        missed = [answer.id for answer in verdict.judge.missed_canaries]
        assert missed == ["bad-order"]
        assert "the judge is wrong about 1 of 32 known answers" in verdict.reason
        assert "was asked 'Does the agent tell the customer a balance of" in verdict.reason

    def test_a_canary_without_an_answer_ends_the_run_before_its_first_trial(self, world):
        world.record("2.0.0", "Thank you.")
        with pytest.raises(JudgeUnavailable, match="canary good-curt: refusal: as told"):
            world.run(Judge({"good-curt": "refusal"}), **converse())
        assert not [key for key in world.runs.keys("runs/") if "/scores/" in key]

    def test_who_was_not_tried_is_not_believed(self, world):
        world.record("2.0.0", "Thank you.")
        world.run()
        (key,) = [k for k in world.records.keys("verdicts/") if k.endswith("link.json")]
        bundle = evidence.load_bundle(key.replace(".link", ""), world.records)
        untried = gate.replay(bundle.model_copy(update={"canaries": None}))
        assert untried.outcome == "INTEGRITY_FAIL"
        assert "not tried" in untried.reason


class TestCache:
    def test_a_rerun_asks_the_canaries_alone_and_a_changed_prompt_everything(
        self, world, monkeypatch
    ):
        world.record("2.0.0", "Thank you, indeed.")
        first, same, again = Judge(), Judge(), Judge()
        world.run(first, **converse())
        assert len(first.of_trials) == 60
        world.run(same, **converse())  # the same command: nothing is to be done
        assert same.asked == []
        verdict = world.run(again, rerun=True, **converse())
        assert (again.of_trials, len(again.asked)) == ([], len(judging.canaries()))
        assert verdict.judge.cached == 60
        monkeypatch.setattr(judging.prompts, "sha256", lambda version: "another text")
        changed = Judge()
        world.run(changed, **converse())
        assert len(changed.of_trials) == 60

    def test_arms_that_say_the_same_share_an_answer(self, world):
        world.record("2.0.0", "Thank you.")
        judge = Judge()
        world.run(judge, **converse())
        kept = world.runs.keys("judgments/")
        assert len(kept) == CASES + len(judging.canaries())

    def test_each_repeat_is_an_answer_of_its_own(self, world):
        world.record("2.0.0", "Thank you, indeed.")
        judge = Judge()
        verdict = world.run(judge, **converse(repeats=3))
        assert len(judge.of_trials) == 180
        assert verdict.judge.cost_usd == pytest.approx((180 + 32) * 0.01)

    def test_a_recorded_judge_says_what_was_said_and_asks_nobody(self, world):
        world.record("2.0.0", lambda n: "Thank you." if n % 3 else "Whatever.")
        judged = world.run(Judge(), **converse())
        known = judged.judge.fingerprint
        replayed = world.run(judge_of, backend="recorded", model=known)
        assert replayed.strata == judged.strata
        assert replayed.judge.fingerprint == known


class TestBudget:
    def test_when_it_is_spent_the_rest_is_missing_and_says_so(self, world):
        world.record("2.0.0", "Thank you, indeed.")
        # 32 canaries, eight at a time, must fit in with what is set aside for each: 0.04 USD.
        verdict = world.run(Judge(), **converse(budget_usd=0.9))
        assert verdict.outcome == "INCONCLUSIVE"
        assert verdict.judge.cost_usd <= 0.9
        assert 90 - 32 - 16 <= verdict.judge.judged <= 90 - 32
        assert "budget: 0." in verdict.judge.missing[0].reason

    def test_it_holds_however_many_judge_at_the_same_time(self, world):
        world.record("2.0.0", "Thank you.")
        spent = []

        def spend(number):
            try:
                judging._spend("r-1", f"most of {number}", 0.01, world.registry, 0.5)
            except JudgeFailed as failed:
                return failed.kind
            spent.append(number)
            return None

        with ThreadPoolExecutor(8) as pool:
            kinds = list(pool.map(spend, range(80)))
        assert (len(spent), kinds.count("budget")) == (50, 30)

    def test_a_fault_that_was_paid_counts(self, world):
        world.record("2.0.0", "Thank you, indeed.")
        world.run(Judge({"c000": "prose"}), **converse(budget_usd=100))
        (row,) = world.registry.rows("judging/")
        assert row["nano_usd"] == (60 + 32) * 10_000_000
