"""A drill breaks what it says and nothing else; the record counts what says something."""

import pytest

from driftgate import attempts, datasets, drills, gate, mocks, planning, registry
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LocalRegistry
from driftgate.errors import BadInput
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.drills import DrillRow
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.runs import Drill, MissingTrial, PlannedDrill, PlanRunRequest
from mock_tools.attempts import first_state
from mock_tools.engine import respond
from tests import builders

ACCOUNT = {"type": "object", "properties": {"account": {"type": "string"}}, "required": ["account"]}
FIND = {"find": "accounts/{args.account}", "let": "it", "otherwise": {"error": "NOT_FOUND"}}
BALANCE = builders.contract(
    "balance",
    input_schema=ACCOUNT,
    output_schema={"type": "object", "properties": {"cents": {"type": "integer"}}},
    behaviour=[FIND, {"answer": {"cents": "{it|minor}"}}],
)
OWNER = builders.contract(
    "owner", input_schema=ACCOUNT, behaviour=[FIND, {"answer": {"name": "Ann"}}]
)
AGENT = registry.seal_agent(
    Manifest.model_validate(builders.manifest()),
    [ToolContract.model_validate(BALANCE), ToolContract.model_validate(OWNER)],
    {},
    None,
)


def asks(tool: str, number: int):
    account = f"A{number}"
    return builders.case(
        builders.expect(tool, args={"account": {"match": "exact", "value": account}}),
        case_id=f"{tool}-{number}",
        world={"accounts": {account: {"value": 12.5, "unit": "EUR"}}},
    )


def answer(agent, case):
    """What the agent's first expected tool answers: its result, or the code of its refusal."""
    script = attempts.script(agent, case)
    call = case.expected_calls[0]
    arguments = {name: matcher.value for name, matcher in call.arguments.items()}
    _, entry, _ = respond(script, first_state(script), call.tool, arguments)
    return entry["error"]["code"] if entry["error"] else entry["result"]


BALANCES = [asks("balance", number) for number in range(10)]
OWNERS = [asks("owner", number) for number in range(10)]


def test_a_broken_tool_answers_in_another_unit_and_keeps_its_contract():
    broken, what = drills.break_tool(AGENT, BALANCES, seed=1)
    assert what == "balance answers in another unit"
    assert answer(AGENT, BALANCES[0]) == {"cents": 1250}
    assert answer(broken, BALANCES[0]) == {"cents": 12.5}
    assert not list(mocks.misfits(BALANCES[0], [AGENT, broken]))


def test_a_broken_tool_without_amounts_refuses():
    broken, what = drills.break_tool(AGENT, [*BALANCES, *OWNERS], seed=1, tool="owner")
    assert what == "owner refuses every call"
    assert answer(broken, OWNERS[0]) == "UNAVAILABLE"
    assert answer(broken, BALANCES[0]) == answer(AGENT, BALANCES[0])


def test_the_seed_draws_the_tool():
    drawn = {drills.break_tool(AGENT, [*BALANCES, *OWNERS], seed)[1] for seed in range(20)}
    assert drawn == {"balance answers in another unit", "owner refuses every call"}


def test_a_tool_that_nine_cases_expect_is_not_broken():
    with pytest.raises(BadInput, match="that 10 of 9 cases expect; got any, there are none"):
        drills.break_tool(AGENT, BALANCES[:9], seed=1)
    with pytest.raises(BadInput, match="got owner, there are balance"):
        drills.break_tool(AGENT, [*BALANCES, *OWNERS[:9]], seed=1, tool="owner")


def test_a_broad_drop_breaks_its_share_of_the_cases_and_no_other():
    cases = [*BALANCES, *OWNERS]
    broken, what = drills.break_broadly(AGENT, cases, seed=1)
    differ = [case.case_id for case in cases if answer(broken, case) != answer(AGENT, case)]
    assert len(differ) == 4
    assert what == "4 records are lost, which 4 of 20 cases need"
    again, _ = drills.break_broadly(AGENT, cases, seed=1)
    other, _ = drills.break_broadly(AGENT, cases, seed=2)
    assert (again.digest == broken.digest, other.digest == broken.digest) == (True, False)


def test_no_record_is_lost_that_breaks_no_further_case():
    both = [
        one.model_copy(update={"expected_calls": one.expected_calls + other.expected_calls})
        for one, other in zip(BALANCES, OWNERS, strict=True)
    ]
    for seed in range(20):
        _, what = drills.break_broadly(AGENT, both, seed, share=0.5)
        assert what == "5 records are lost, which 5 of 10 cases need"


def test_what_a_case_plans_itself_is_no_record_that_can_be_lost():
    planned = [
        case.model_copy(
            update={
                "mocks": builders.case(
                    mocks=[{"tool": "balance", "answers": [{"result": {"cents": 1}}]}]
                ).mocks
            }
        )
        for case in BALANCES
    ]
    with pytest.raises(BadInput, match="0 expect a call that names a record"):
        drills.break_broadly(AGENT, planned, seed=1)


def test_a_broken_version_is_reached_where_the_baseline_is_and_has_another_digest():
    broken, _ = drills.break_tool(AGENT, BALANCES, seed=1)
    assert broken.label == AGENT.label
    assert broken.digest != AGENT.digest


@pytest.fixture
def stored(tmp_path):
    """A registry with the agent, and twenty cases that its tools are called in."""
    stored = LocalRegistry(tmp_path / "registry")
    header = DatasetHeader(name="bank", version="1.0.0", owner="us", changelog="x", tools={})
    bank = datasets.build(header, [*BALANCES, *OWNERS])
    registry.publish_dataset(bank, stored, SystemClock(), author="me")
    served = {"kind": "http", "command": ["serve"], "code": {"include": ["*.py"]}}
    manifest = Manifest.model_validate(builders.manifest(target=served))
    registry.publish_agent(registry.seal_agent(manifest, AGENT.contracts, {}, None), None, stored)
    return stored


def planned(stored, kind: str, **changes):
    request = PlanRunRequest(
        agent="teller", version="1.0.0", environment="dev", seed=3, drill=Drill(kind=kind)
    )
    request = request.model_copy(update=changes)
    return planning.make_plan(request, stored)


class TestPlanning:
    def test_a_broken_candidate_is_in_the_plan_alone(self, stored):
        before = stored.keys("")
        plan, cases = planned(stored, "tool")
        broken, what = drills.break_tool(plan.arms["baseline"], cases, seed=3)
        assert plan.arms["candidate"] == broken != plan.arms["baseline"]
        assert (plan.drill.kind, plan.drill.broken) == ("tool", what)
        assert stored.keys("") == before

    def test_an_aa_run_has_the_same_version_twice(self, stored):
        plan, _ = planned(stored, "aa")
        assert plan.arms["candidate"] == plan.arms["baseline"]
        assert (plan.drill.kind, plan.drill.broken) == ("aa", "")

    def test_no_drill_is_an_ordinary_run_or_another_drill(self, stored):
        ordinary = {"drill": None, "baseline": "1.0.0"}
        plans = [
            planned(stored, "aa", **ordinary),
            *(planned(stored, kind) for kind in ("aa", "tool", "broad")),
            planned(stored, "tool", drill=Drill(kind="tool", tool="owner")),
            planned(stored, "tool", seed=4),
        ]
        assert len({plan.run_id for plan, _ in plans}) == len(plans)

    @pytest.mark.parametrize("kind", ["aa", "tool", "broad"])
    def test_a_drill_that_is_asked_for_again_is_the_same_run_and_has_not_moved(self, stored, kind):
        plan, cases = planned(stored, kind)
        again, _ = planning.make_plan(planning.request_again(plan, "dev"), stored)
        assert again == plan
        assert planning.moved(plan, cases, stored) is None

    def test_a_candidate_that_nobody_can_make_of_the_baseline_has_moved(self, stored):
        plan, cases = planned(stored, "tool")
        other, _ = drills.break_tool(plan.arms["baseline"], cases, seed=3, tool="owner")
        forged = plan.model_copy(update={"arms": {**plan.arms, "candidate": other}})
        assert plan.arms["candidate"] != other
        assert "candidate teller 1.0.0 had digest" in planning.moved(forged, cases, stored)

    @pytest.mark.parametrize("kind", ["aa", "tool"])
    def test_its_trials_never_stand_for_a_baselines(self, stored, kind):
        drill, _ = planned(stored, kind)
        ordinary, _ = planned(stored, "aa", drill=None, baseline="1.0.0")
        assert planning.arm_of(ordinary, ordinary) is not None
        assert planning.arm_of(ordinary, drill) is None

    @pytest.mark.parametrize(
        "other", [{"baseline": "1.0.0"}, {"absolute": True}, {"baseline_run": f"r-{'0' * 20}"}]
    )
    def test_it_is_compared_with_its_own_baseline_alone(self, other):
        words = {"agent": "teller", "version": "1.0.0", "environment": "dev", **other}
        with pytest.raises(ValueError, match="a drill compares `version` with itself"):
            PlanRunRequest(drill=Drill(kind="aa"), **words)


def test_a_sample_keeps_the_order_and_changes_with_the_seed():
    ids = [f"case-{number}" for number in range(30)]
    chosen = drills.sample(ids, 10, seed=1)
    assert len(chosen) == 10
    assert list(chosen) == [case_id for case_id in ids if case_id in chosen]
    assert chosen == drills.sample(ids, 10, seed=1) != drills.sample(ids, 10, seed=2)
    assert drills.sample(ids, 99, seed=1) == tuple(ids)


def row(kind: str = "aa", *, fell: bool = False, counts: bool = True, seed: int = 1) -> DrillRow:
    return DrillRow(
        agent="teller",
        environment="laptop",
        kind=kind,
        run_id=f"r-{seed:020x}",
        seed=seed,
        version="1.0.0",
        finished_at=f"2026-01-01T00:00:{seed % 60:02}Z",
        broken="",
        cases=50,
        trials=1,
        outcome="BLOCK" if fell else "PASS",
        fell=("drop of task_success over all cases",) if fell else (),
        counts=counts,
        reason="",
    )


@pytest.mark.parametrize(
    ("runs", "blocked", "standing", "wanted"),
    [
        (59, 0, "holds", 0),  # 0.95 ** 59 is the first below 0.05
        (58, 0, "too few to tell", 1),
        (1, 0, "too few to tell", 58),
        (20, 3, "too few to tell", None),
        (20, 4, "too high", None),  # P(4 or more of 20 at 5 %) = 0.016, of 3 or more 0.075
    ],
)
def test_a_rate_is_only_said_where_the_count_proves_it(runs, blocked, standing, wanted):
    rows = [row(seed=number, fell=number <= blocked) for number in range(1, runs + 1)]
    found = drills.health("teller", "laptop", rows)
    assert (found.aa_runs, found.false_blocks, found.standing) == (runs, blocked, standing)
    if wanted is not None:
        assert found.wanted == wanted


def test_no_run_is_no_rate():
    found = drills.health("teller", "laptop", [row(counts=False), row("tool", fell=True)])
    assert (found.rate, found.upper, found.left_out) == (None, None, 1)
    assert found.standing == "too few to tell"


def test_old_runs_leave_the_rate():
    rows = [row(seed=2), row(seed=1, fell=True)]  # the latest first
    assert drills.health("teller", "laptop", rows, last=1).false_blocks == 0


def test_a_drill_that_was_not_blocked_failed_until_the_next_one_is():
    missed, met = row("tool", seed=1), row("tool", seed=2, fell=True)
    assert drills.health("teller", "laptop", [missed]).failed == (missed,)
    assert drills.health("teller", "laptop", [met, missed]).failed == ()


def test_a_seed_is_used_once_by_a_kind():
    assert drills.next_seed("aa", []) == 1
    assert drills.next_seed("aa", [row(seed=4), row("tool", seed=9)]) == 5


def decided(candidate: dict[str, float], lost: int = 0, **baseline: float) -> DrillRow:
    """The row of a try on forty cases with these values; of the candidate, so many are missing."""
    cases = [builders.case(case_id=f"case-{n}", task_type="x") for n in range(40)]
    plan = builders.plan([case.case_id for case in cases], "baseline", "candidate")
    plan = plan.model_copy(update={"drill": PlannedDrill(kind="tool", broken="it")})
    fine = {"task_success": 1.0, "tool_call_accuracy": 1.0}
    cards = [builders.card(c.case_id, "baseline", **{**fine, **baseline}) for c in cases]
    cards += [builders.card(c.case_id, "candidate", **{**fine, **candidate}) for c in cases]
    missing = [
        MissingTrial(arm="candidate", trial=1, case_id=card.case_id, attempts=3, reason="away")
        for card in cards[len(cards) - lost :]
    ]
    cards = cards[: len(cards) - lost]
    verdict = gate.replay(builders.bundle(plan, cases, cards, missing))
    assert verdict is not None
    return drills.row_of(plan, verdict, "laptop", "2026-01-01T00:00:00Z")


def test_a_drop_passes_a_drill():
    found = decided({"task_success": 0.0})
    assert found.passed
    assert "drop of task_success over all cases" in found.fell
    assert not decided({}).passed


def test_a_missed_floor_alone_passes_no_drill_and_counts_as_no_false_block():
    found = decided({"tool_call_accuracy": 0.0}, tool_call_accuracy=0.0)
    assert found.outcome == "BLOCK"
    assert (found.passed, found.counts) == (False, False)


def test_a_run_of_which_too_much_is_missing_counts_as_nothing():
    assert decided({}, lost=1).counts
    found = decided({}, lost=2)  # 2 of 80 are more than 2 %
    assert (found.outcome, found.counts) == ("INCONCLUSIVE", False)
