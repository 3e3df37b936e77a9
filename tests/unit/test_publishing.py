"""A version is published whole, once and for good: under races, crashes, lost answers, tampering.

The classes that use `stored` hold for any registry. STORES names a fixture for each place they run
on; such a fixture returns a `Stored` that is empty. The rest is about directories alone.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from driftgate import canonical, datasets, offline, registry
from driftgate.adapters import local
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LocalArtifacts, LocalRegistry
from driftgate.adapters.local_ledger import LocalLedger
from driftgate.errors import AlreadyPublished, IntegrityFailed, NotPublished
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.manifests import DatasetRef, Manifest
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import (
    DecideGateRequest,
    PlanRunRequest,
    PublishRunRequest,
    ScoreCaseRequest,
)
from tests.builders import bank, case, contract, expect, manifest, trace
from tests.conftest import ROOT

STORES = ["local_stored"]
CLOCK = SystemClock()
WRITERS = 20


@pytest.fixture(params=STORES)
def stored(request):
    return request.getfixturevalue(request.param)


def publish(place, *cases, author="me", **rest):
    return registry.publish_dataset(bank(*cases, **rest), place, CLOCK, author=author)


def ref(version="1.0.0"):
    return DatasetRef(name="bank", version=version)


def rewrite(stored, of="1.0.0", /, **changes):
    """Change a row as somebody would who can write to the table."""
    key = f"dataset/bank/{of}"
    row = stored.registry.row(key)
    assert stored.registry.replace(key, {**row, **changes}, expected=row)


def faults(stored, version="1.0.0"):
    return registry.check_dataset(ref(version), stored.registry).faults


def at_once(work, count=WRITERS):
    """Call `work` with each number in a thread of its own, all together; results or errors."""
    start = Barrier(count)

    def go(number):
        start.wait(timeout=60)
        try:
            return work(number)
        except AlreadyPublished as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(go, range(count)))


class Meeting:
    """A registry whose writers wait for each other before they write their rows."""

    def __init__(self, inner):
        self._inner = inner
        self._all_there = Barrier(WRITERS)

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def put_new(self, key, row):
        self._all_there.wait(timeout=60)
        return self._inner.put_new(key, row)


class TestRaces:
    def test_of_twenty_contents_one_becomes_the_version_and_the_others_are_told_both_hashes(
        self, stored
    ):
        contents = [case(case_id=f"c{n}") for n in range(WRITERS)]
        meeting = Meeting(stored.registry)
        outcomes = at_once(lambda n: publish(meeting, contents[n]))
        winners = [row for row in outcomes if not isinstance(row, AlreadyPublished)]
        assert len({row.sha256 for row in winners}) == len(winners) == 1
        assert registry.load_dataset_row(ref(), stored.registry) == winners[0]
        for content, outcome in zip(contents, outcomes, strict=True):
            if isinstance(outcome, AlreadyPublished):
                assert winners[0].sha256 in str(outcome)
                assert bank(content).sha256 in str(outcome)
        assert not faults(stored)

    def test_twenty_equal_contents_are_one_version_and_nobody_fails(self, stored):
        meeting = Meeting(stored.registry)
        outcomes = at_once(lambda n: publish(meeting, author=f"author-{n}"))
        (row,) = {row.model_dump_json() for row in outcomes}
        assert stored.registry.keys("dataset/") == ["dataset/bank/1.0.0"]
        assert registry.load_dataset_row(ref(), stored.registry).model_dump_json() == row


class Crash(Exception):
    pass


class Crashing:
    """A registry whose process dies before or after its n-th write, counted from 1."""

    def __init__(self, inner, at, *, after=False):
        self._inner = inner
        self._at = at
        self._after = after
        self.writes = 0

    def __getattr__(self, name):
        method = getattr(self._inner, name)
        return self._writing(method) if name in ("put_blob", "put_new", "replace") else method

    def _writing(self, method):
        def write(*words, **rest):
            self.writes += 1
            if self.writes == self._at and not self._after:
                raise Crash
            result = method(*words, **rest)
            if self.writes == self._at:
                raise Crash
            return result

        return write


class TestCrashes:
    STEPS = [(1, False), (1, True), (2, False), (2, True)]

    def test_publishing_has_the_two_writes_at_which_it_is_made_to_crash(self, stored):
        never = Crashing(stored.registry, at=0)
        publish(never)
        assert 2 * never.writes == len(self.STEPS)

    @pytest.mark.parametrize(("write", "after"), STEPS)
    def test_a_crash_leaves_nothing_or_all_and_the_next_try_completes(self, stored, write, after):
        """Also an answer that got lost: the write was done, its writer saw an error."""
        with pytest.raises(Crash):
            publish(Crashing(stored.registry, write, after=after))
        done = (write, after) == (2, True)
        assert [row.version for row in registry.list_datasets(stored.registry)] == (
            ["1.0.0"] if done else []
        )
        if done:
            assert not faults(stored)
        else:
            with pytest.raises(NotPublished):
                registry.load_dataset_row(ref(), stored.registry)
        before = stored.registry.row("dataset/bank/1.0.0")

        row = publish(stored.registry)

        assert stored.registry.row("dataset/bank/1.0.0") == row.model_dump(mode="json")
        assert before in (None, row.model_dump(mode="json"))
        assert not faults(stored)

    @pytest.mark.parametrize(("write", "after"), STEPS[:3])
    def test_after_a_crash_another_content_may_still_become_the_version(self, stored, write, after):
        with pytest.raises(Crash):
            publish(Crashing(stored.registry, write, after=after))
        other = publish(stored.registry, case(case_id="other"))
        assert registry.load_cases(other, stored.registry) == (case(case_id="other"),)

    def test_a_pointer_that_was_moved_although_the_answer_was_lost_is_moved(self, stored):
        stored.registry.put_new("baseline/a/dev", {"version": "1.0.0"})
        move = {"key": "baseline/a/dev", "row": {"n": 1}, "expected": {"version": "1.0.0"}}
        with pytest.raises(Crash):
            Crashing(stored.registry, 1, after=True).replace(**move)
        assert stored.registry.replace(**move)
        assert not stored.registry.replace(**{**move, "row": {"n": 2}})
        assert stored.registry.row("baseline/a/dev") == {"n": 1}


class TestTampering:
    def test_a_changed_content_is_found_on_load_and_by_verify(self, stored):
        row = publish(stored.registry)
        stored.overwrite(f"datasets/{row.sha256}", b'{"name":"bank","tools":{}}\n')
        with pytest.raises(IntegrityFailed, match=f"published with sha256 {row.sha256}"):
            registry.load_cases(row, stored.registry)
        (fault,) = faults(stored)
        assert fault.startswith(f"dataset bank@1.0.0 was published with sha256 {row.sha256}")

    def test_a_lost_content_is_found(self, stored):
        row = publish(stored.registry)
        stored.remove(f"datasets/{row.sha256}")
        (fault,) = faults(stored)
        assert fault.endswith("its stored content has nothing")

    def test_publishing_again_does_not_call_a_damaged_version_published(self, stored):
        row = publish(stored.registry)
        stored.overwrite(f"datasets/{row.sha256}", b"something else")
        with pytest.raises(IntegrityFailed):
            publish(stored.registry)

    def test_no_row_will_name_a_content_that_is_not_there(self, stored):
        """Whoever may write objects could lay another one in wait under the right hash."""
        stored.overwrite(f"datasets/{bank().sha256}", b"something else")
        with pytest.raises(IntegrityFailed):
            publish(stored.registry)
        assert stored.registry.keys("dataset/") == []

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("count", 3, "count is 1 in its content, its row says 3"),
            ("critical", 1, "critical is 0 in its content, its row says 1"),
            ("by_tool", {}, "by_tool is {'pay': 1} in its content, its row says {}"),
            (
                "by_task_type",
                {"refunds": 9},
                "by_task_type is {'refunds': 1} in its content, its row says {'refunds': 9}",
            ),
            ("chain_sha256", "0" * 64, f"its chain hash is {'0' * 64}, from its parents follows"),
            ("parent", "1.0.0", "its parents go in a circle, 1.0.0 is met again"),
            ("parent", "0.9.0", "its parents can't be followed: bank@0.9.0 is not published"),
        ],
    )
    def test_a_changed_row_is_found(self, stored, field, value, said):
        publish(stored.registry)
        rewrite(stored, **{field: value})
        (fault,) = faults(stored)
        assert fault.startswith("dataset bank@1.0.0: ")
        assert said in fault

    def test_each_fault_is_told(self, stored):
        publish(stored.registry)
        rewrite(stored, count=2, critical=2, chain_sha256="0" * 64)
        assert len(faults(stored)) == 3

    @pytest.mark.parametrize("change", [{"version": "1.1.0"}, {"name": "shop"}, {"count": "many"}])
    def test_a_damaged_row_is_found_and_does_not_hide_the_other_versions(self, stored, change):
        publish(stored.registry)
        publish(stored.registry, case(case_id="b"), version="2.0.0")
        rewrite(stored, **change)
        with pytest.raises(IntegrityFailed):
            registry.load_dataset_row(ref(), stored.registry)
        damaged, whole = registry.check_datasets(stored.registry)
        assert damaged.sha256 is None
        assert damaged.faults[0].startswith("the stored row dataset/bank/1.0.0 is damaged: ")
        assert (whole.dataset, whole.faults) == ("bank@2.0.0", ())

    def test_a_row_that_points_to_another_datasets_content_is_found(self, stored):
        publish(stored.registry)
        other = publish(stored.registry, name="shop")
        rewrite(stored, sha256=other.sha256)
        row = registry.find_dataset_row(ref(), stored.registry)
        with pytest.raises(IntegrityFailed, match="is that of a dataset shop"):
            registry.load_cases(row, stored.registry)

    def test_a_row_that_points_to_another_versions_content_breaks_its_chain(self, stored):
        publish(stored.registry)
        other = publish(stored.registry, case(expect("pay", "write"), case_id="b"), version="2.0.0")
        rewrite(stored, sha256=other.sha256)
        (fault,) = faults(stored)
        assert "its chain hash is" in fault

    def test_content_of_the_right_hash_that_is_no_dataset_is_found(self, stored):
        publish(stored.registry)
        rewrite(stored, sha256=stored.registry.put_blob("datasets", b"[]\n"))
        assert faults(stored)[0] == (
            "the stored content of dataset bank@1.0.0: "
            "line 1: wanted an object with name and tools, got []"
        )


class TestChains:
    def test_a_parent_must_be_published_first(self, stored):
        with pytest.raises(NotPublished, match=r"bank@1.0.0 is not published"):
            publish(stored.registry, version="1.1.0", parent="1.0.0")
        assert stored.registry.keys("dataset/") == []

    def test_a_chain_hash_is_of_the_parents_chain_hash_the_content_and_the_version(self, stored):
        first = publish(stored.registry)
        second = publish(stored.registry, case(), version="1.1.0", parent="1.0.0")
        assert first.chain_sha256 == canonical.sha256(f"|{first.sha256}|bank|1.0.0".encode())
        assert second.chain_sha256 == canonical.sha256(
            f"{first.chain_sha256}|{second.sha256}|bank|1.1.0".encode()
        )

    @pytest.mark.parametrize("ancestor", ["1.0.0", "1.1.0"])
    def test_a_change_of_any_ancestor_is_seen_in_every_descendant(self, stored, ancestor):
        publish(stored.registry)
        publish(stored.registry, version="1.1.0", parent="1.0.0")
        publish(stored.registry, version="1.2.0", parent="1.1.0")
        publish(stored.registry, version="3.0.0")
        other = datasets.to_bytes(bank().header, [case(expect("pay", "write"), case_id="other")])
        rewrite(stored, ancestor, sha256=stored.registry.put_blob("datasets", other))
        broken = {c.dataset for c in registry.check_datasets(stored.registry) if c.faults}
        line = ["1.0.0", "1.1.0", "1.2.0"]
        assert broken == {f"bank@{version}" for version in line[line.index(ancestor) :]}

    def test_the_same_content_with_another_parent_is_another_version(self, stored):
        publish(stored.registry)
        grown = publish(stored.registry, case(), version="1.1.0", parent="1.0.0")
        with pytest.raises(AlreadyPublished, match=r"parent is 1.0.0 .* parent is None") as refused:
            publish(stored.registry, case(), version="1.1.0")
        assert grown.chain_sha256 in str(refused.value)


class TestRuns:
    """A run on a recorded agent needs nothing but the registry and a place for what it leaves."""

    @pytest.fixture
    def run(self, stored, tmp_path):
        pays = case(expect("pay", "write"))
        row = publish(stored.registry, pays)
        traces = trace(says="no").model_dump_json().encode()
        target = {"kind": "recorded", "traces": "t.jsonl"}
        agent = registry.seal_agent(
            Manifest.model_validate(manifest(target=target)),
            [ToolContract.model_validate(contract("pay", "write"))],
            {},
            canonical.sha256(traces),
        )
        registry.publish_agent(agent, traces, stored.registry)
        runs = LocalArtifacts(tmp_path / "runs")
        request = PlanRunRequest(agent="teller", version="1.0.0", environment="dev", looks=(1,))
        planned = offline.plan_run(request, stored.registry, runs)
        offline.score_case(
            ScoreCaseRequest(run_id=planned.run_id, arm="candidate", trial=1, case_id=pays.case_id),
            runs,
            LocalLedger(tmp_path / "ledger.sqlite"),
            CLOCK,
        )

        def decide():
            decided = offline.decide_gate(
                DecideGateRequest(run_id=planned.run_id, policy=Policy(rule="point")),
                stored.registry,
                runs,
            )
            finished = PublishRunRequest(
                verdict_key=decided.verdict_key, environment="dev", execution="e-1"
            )
            offline.publish_run(finished, stored.registry, runs, runs, CLOCK)
            return decided

        return row, decide

    def test_a_run_over_all_cases_is_kept_beside_the_version(self, stored, run):
        _, decide = run
        outcome = decide().outcome
        (kept,) = registry.validations(ref(), stored.registry)
        assert (kept.agent, kept.version, kept.outcome) == ("teller", "1.0.0", outcome)
        decide()
        assert registry.validations(ref(), stored.registry) == [kept]

    def test_a_content_that_was_changed_during_a_run_is_the_runs_verdict(self, stored, run):
        row, decide = run
        stored.overwrite(f"datasets/{row.sha256}", b"something else")
        decided = decide()
        assert decided.outcome == "INTEGRITY_FAIL"
        assert row.sha256 in decided.reason
        assert registry.validations(ref(), stored.registry) == []

    def test_no_run_is_planned_on_a_changed_content(self, stored, run, tmp_path):
        row, _ = run
        stored.overwrite(f"datasets/{row.sha256}", b"something else")
        request = PlanRunRequest(
            agent="teller", version="1.0.0", environment="dev", looks=(1,), seed=1
        )
        with pytest.raises(IntegrityFailed):
            offline.plan_run(request, stored.registry, LocalArtifacts(tmp_path))


class TestDirectories:
    PUBLISH = (
        "import sys, pathlib\n"
        "from driftgate import registry\n"
        "from driftgate.adapters.clock import SystemClock\n"
        "from driftgate.adapters.local import LocalRegistry\n"
        "from driftgate.errors import AlreadyPublished\n"
        "from tests.builders import bank, case\n"
        "stored = LocalRegistry(pathlib.Path(sys.argv[1]))\n"
        "dataset = bank(case(case_id=sys.argv[2]))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    row = registry.publish_dataset(dataset, stored, SystemClock(), author='me')\n"
        "    print('won', row.sha256)\n"
        "except AlreadyPublished as error:\n"
        "    print('lost', error)\n"
    )

    def race(self, root, case_ids):
        """Publishers in processes of their own, started together once all have loaded."""
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", self.PUBLISH, root, case_id],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for case_id in case_ids
        ]
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            writer.stdin.write("go\n")
            writer.stdin.flush()
        return [writer.communicate(timeout=60)[0].split(maxsplit=1) for writer in writers]

    def test_of_twenty_processes_one_wins_and_the_others_are_told_both_hashes(self, tmp_path):
        names = [f"c{n}" for n in range(WRITERS)]
        outcomes = self.race(tmp_path, names)
        ((_, winner),) = [outcome for outcome in outcomes if outcome[0] == "won"]
        for name, (outcome, said) in zip(names, outcomes, strict=True):
            if outcome == "lost":
                assert winner.strip() in said
                assert bank(case(case_id=name)).sha256 in said
        stored = LocalRegistry(tmp_path)
        assert not registry.check_dataset(ref(), stored).faults
        assert [path.name for path in (tmp_path / "rows").iterdir()] == [
            "dataset%2Fbank%2F1.0.0.json"
        ]

    def test_who_saw_no_file_may_still_come_second(self, tmp_path, monkeypatch):
        """All have looked before anyone writes: the look decides nothing."""
        all_have_looked = Barrier(WRITERS)
        write_beside = local._write_beside

        def after_all_have_looked(path, data):
            all_have_looked.wait(timeout=60)
            return write_beside(path, data)

        monkeypatch.setattr(local, "_write_beside", after_all_have_looked)
        stored = LocalRegistry(tmp_path)
        won = at_once(lambda n: stored.put_new("dataset/bank/1.0.0", {"n": n}))
        assert won.count(True) == 1
        assert stored.row("dataset/bank/1.0.0") == {"n": won.index(True)}

    def test_processes_with_equal_content_all_succeed(self, tmp_path):
        outcomes = self.race(tmp_path, ["same"] * 5)
        assert {outcome for outcome, _ in outcomes} == {"won"}

    def test_a_row_that_is_cut_off_is_found_and_does_not_hide_the_others(self, tmp_path):
        stored = LocalRegistry(tmp_path)
        publish(stored)
        publish(stored, version="2.0.0")
        row = tmp_path / "rows" / "dataset%2Fbank%2F1.0.0.json"
        row.write_bytes(row.read_bytes()[:-20])
        damaged, whole = registry.check_datasets(stored)
        assert "is damaged" in damaged.faults[0]
        assert (whole.dataset, whole.faults) == ("bank@2.0.0", ())

    def test_a_file_whose_name_is_no_version_is_found(self, tmp_path):
        stored = LocalRegistry(tmp_path)
        row = publish(stored)
        stored.put_new("dataset/bank/latest", json.loads(row.model_dump_json()))
        _, odd = registry.check_datasets(stored)
        assert odd.dataset == "bank@latest"
        assert odd.faults[0].startswith("the stored row dataset/bank/latest is damaged: version: ")

    def test_rows_come_in_the_order_of_their_keys(self, tmp_path):
        stored = LocalRegistry(tmp_path)
        for key in ("a/1", "a-b/1", "a/10", "a.b/1"):
            stored.put_new(key, {"key": key})
        assert stored.keys("a") == ["a-b/1", "a.b/1", "a/1", "a/10"]
        assert [row["key"] for row in stored.rows("a")] == stored.keys("a")
