"""A verdict is kept whole, in its place, and every change of what is kept is found.

The classes that use `kept` hold wherever registry and records are; STORES names the fixtures.
"""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import pytest

from driftgate import chains, evidence, gate, offline, planning, registry, verification
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LocalArtifacts
from driftgate.errors import BadInput, IntegrityFailed
from driftgate.metrics import PRIMARY
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.runs import PublishRunRequest
from tests.builders import bank, bundle, card, case, contract, expect, manifest, plan
from tests.conftest import Stored

STORES = ["local_kept"]
CLOCK = SystemClock()
IDS = [f"c{n:02}" for n in range(12)]
CASES = [case(expect("pay", "write"), case_id=i) for i in IDS]
WRITERS = 20


@dataclass(frozen=True)
class Kept:
    """A registry with its records, and what only somebody with access to the bucket can do."""

    stored: Stored  # whose overwrite and remove are those of the records
    records: Any

    @property
    def registry(self):
        return self.stored.registry


@pytest.fixture
def local_kept(local_stored, tmp_path):
    root = tmp_path / "records"
    harm = Stored(
        local_stored.registry,
        lambda key, data: (root / key).write_bytes(data),
        lambda key: (root / key).unlink(),
    )
    return Kept(harm, LocalArtifacts(root))


@pytest.fixture(params=STORES)
def kept(request):
    return with_versions(request.getfixturevalue(request.param))


def with_versions(kept):
    """Two versions of an agent and their dataset are published."""
    registry.publish_dataset(bank(*CASES), kept.registry, CLOCK, author="me")
    for number in ("1.0.0", "2.0.0"):
        registry.publish_agent(sealed(number), None, kept.registry)
    return kept


@pytest.fixture
def runs(tmp_path):
    return LocalArtifacts(tmp_path / "runs")


def sealed(number):
    contracts = [ToolContract.model_validate(contract("pay", "write"))]
    return registry.seal_agent(
        Manifest.model_validate(manifest(version=number)), contracts, {}, None
    )


def run_id(number):
    return f"r-{number:020x}"


def decided(number, runs, failed=(), **what):
    """A run that was decided: the key of its verdict among the runs."""
    made = plan(IDS, "baseline", "candidate")
    dataset = made.dataset.model_copy(update={"sha256": bank(*CASES).sha256})
    arms = {"baseline": sealed("1.0.0"), "candidate": sealed("2.0.0")}
    pinned = {
        "run_id": run_id(number),
        "dataset": dataset,
        "arms": arms,
        "harness": planning.harness(),
    }
    cards = [
        card(
            i, arm, tool_call_accuracy=1.0, task_success=float(arm == "baseline" or i not in failed)
        )
        for i in IDS
        for arm in arms
    ]
    inputs = bundle(made.model_copy(update=pinned), CASES, cards, **{"rule": "point", **what})
    return evidence.store_verdict(gate.replay(inputs), inputs, runs)


def publish(number, kept, runs, records=None, stored=None, **what):
    request = PublishRunRequest(
        verdict_key=decided(number, runs, **what), environment="dev", execution="e-1"
    )
    ports = stored or kept.registry, runs, records or kept.records
    return offline.publish_run(request, *ports, CLOCK).verdict_key


def chain_of(kept):
    found = [
        evidence.read_link(key, kept.records.get(key))
        for key in kept.records.keys("verdicts/teller/")
        if key.endswith(".link.json")
    ]
    return sorted(found, key=lambda link: link.number)


def faults(number, kept):
    row = verification.find_run(run_id(number), kept.registry)
    return verification.verify_run(row, kept.registry, kept.records).all_faults


def at_once(work, count=WRITERS):
    start = Barrier(count)

    def go(number):
        start.wait(timeout=60)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(go, range(count)))


class Meeting:
    """A registry whose publishers have all read the head before the first one moves it."""

    def __init__(self, inner, count):
        self._inner, self._barrier, self._met = inner, Barrier(count), set()

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def replace(self, key, row, expected):
        if key.startswith("head/") and expected is None:
            self._barrier.wait(timeout=60)
        return self._inner.replace(key, row, expected)


class Crash(Exception):
    pass


class Crashing:
    """Ports whose process dies before or after its n-th write, counted over all of them from 1."""

    def __init__(self, at, after):
        self.at, self.after, self.writes = at, after, 0

    def around(self, inner):
        return _Crashing(self, inner)


class _Crashing:
    def __init__(self, plan, inner):
        self._plan, self._inner = plan, inner

    def __getattr__(self, name):
        method = getattr(self._inner, name)
        if name not in ("put_once", "put_new", "replace"):
            return method

        def write(*words, **rest):
            self._plan.writes += 1
            if self._plan.writes == self._plan.at and not self._plan.after:
                raise Crash
            result = method(*words, **rest)
            if self._plan.writes == self._plan.at:
                raise Crash
            return result

        return write


class TestChain:
    def test_verdicts_are_linked_in_the_order_they_are_published(self, kept, runs):
        keys = [publish(n, kept, runs) for n in (3, 1, 2)]
        links = chain_of(kept)
        assert [(link.number, link.verdict_key) for link in links] == list(enumerate(keys, start=1))
        assert [link.previous_sha256 for link in links] == [
            None, chains.sha256(links[0]), chains.sha256(links[1])
        ]  # fmt: skip
        assert [faults(n, kept) for n in (1, 2, 3)] == [(), (), ()]

    def test_publishing_again_keeps_the_link_whatever_was_published_since(self, kept, runs):
        publish(1, kept, runs)
        publish(2, kept, runs)
        before = chain_of(kept)
        publish(1, kept, runs)
        assert chain_of(kept) == before

    def test_of_twenty_publishers_at_once_each_gets_a_place_and_none_forks(self, kept, runs):
        meeting = Meeting(kept.registry, WRITERS)
        at_once(lambda n: publish(n, kept, runs, stored=meeting))
        links = chain_of(kept)
        assert [link.number for link in links] == list(range(1, WRITERS + 1))
        assert {link.run_id for link in links} == {run_id(n) for n in range(WRITERS)}
        assert not chains.check("teller", kept.registry, kept.records).faults

    def test_twenty_that_publish_the_same_verdict_get_one_link(self, kept, runs):
        decided(1, runs)
        meeting = Meeting(kept.registry, WRITERS)
        at_once(lambda _: publish(1, kept, runs, stored=meeting))
        assert [link.number for link in chain_of(kept)] == [1]

    HEAD = 4  # after bundle, verdict and the previous link; then link, run's row and validation
    WRITES = 7

    def test_publishing_has_the_writes_at_which_it_is_made_to_crash(self, kept, runs):
        publish(2, kept, runs)
        never = Crashing(at=0, after=False)
        publish(1, kept, runs, never.around(kept.records), never.around(kept.registry))
        assert never.writes == self.WRITES

    @pytest.mark.parametrize("other", [False, True], ids=["alone", "another comes between"])
    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("write", range(1, WRITES + 1))
    def test_after_a_crash_at_any_write_the_next_try_completes_the_same_chain(
        self, kept, runs, write, after, other
    ):
        """Also an answer that got lost: the write was done, its writer saw an error."""
        publish(1, kept, runs)
        dies = Crashing(write, after)
        with pytest.raises(Crash):
            publish(2, kept, runs, dies.around(kept.records), dies.around(kept.registry))
        for key in chains.verdict_keys("verdicts/teller/", kept.records):
            evidence.load_bundle(key, kept.records)  # no verdict is met without its bundle
        if other:
            publish(3, kept, runs)
        publish(2, kept, runs)
        linked = (write, after) >= (self.HEAD, True)
        order = [1, 2] if not other else [1, 2, 3] if linked else [1, 3, 2]
        assert [link.run_id for link in chain_of(kept)] == [run_id(n) for n in order]
        assert [faults(n, kept) for n in order] == [()] * len(order)


class TestTampering:
    @pytest.fixture
    def keys(self, kept, runs):
        """Three runs were published; the second is the one that is tampered with."""
        return [publish(n, kept, runs, failed=IDS[:n]) for n in (1, 2, 3)]

    def rewrite(self, kept, key, change):
        """Change a stored JSON object, packed or not, as somebody would who can write to it."""
        data = kept.records.get(key)
        packed = key.endswith(".gz")
        content = json.loads(gzip.decompress(data) if packed else data)
        change(content)
        text = evidence.canonical.dump(content)
        kept.stored.overwrite(key, gzip.compress(text, mtime=0) if packed else text)

    def test_untouched_nothing_is_found(self, kept, keys):
        assert [faults(n, kept) for n in (1, 2, 3)] == [(), (), ()]
        found = verification.verify_chain("teller", kept.registry, kept.records)
        assert (found.all_faults, found.chain.head) == ((), 3)

    def test_a_changed_score_is_named_by_what_follows_from_it(self, kept, keys):
        def change(content):
            first = next(c for c in content["cards"] if c["arm"] == "candidate")
            assert first["scores"][PRIMARY]["value"] == 0
            first["scores"][PRIMARY]["value"] = 1.0

        self.rewrite(kept, evidence.bundle_key(keys[1]), change)
        found = faults(2, kept)
        assert "bundle.json.gz was linked with sha256" in found[0]
        fallen = "criteria.0.candidate: stored 0.8333333333333334, computed 0.9166666666666666"
        assert fallen in found
        assert any(fault.startswith("broken.1: stored {") for fault in found)
        assert faults(1, kept) == ()  # of the others, nothing

    def test_a_changed_field_of_the_verdict_is_named(self, kept, keys):
        self.rewrite(kept, keys[1], lambda verdict: verdict.update(outcome="PASS"))
        found = faults(2, kept)
        assert found[0].endswith("says BLOCK, what is kept PASS")
        assert "was linked with sha256" in found[1]
        assert found[2:] == ('outcome: stored "PASS", computed "BLOCK"',)

    def test_a_changed_link_breaks_the_one_after_it(self, kept, keys):
        self.rewrite(kept, evidence.link_key(keys[1]), lambda link: link.update(at="yesterday"))
        (fault,) = faults(2, kept)
        assert fault.startswith("link 3 follows on a link with sha256 ")

    def test_a_changed_head_is_found_though_no_link_follows_it(self, kept, keys):
        self.rewrite(kept, evidence.link_key(keys[2]), lambda link: link.update(at="yesterday"))
        assert faults(3, kept) == ("link 3 is not what the row head/teller says",)

    def test_a_removed_link_is_found_from_every_run_before_it(self, kept, keys):
        kept.stored.remove(evidence.link_key(keys[1]))
        assert faults(1, kept) == ("link 2 is gone, between 1 and 3",)
        assert any("has no link" in fault for fault in faults(2, kept))

    def test_a_first_link_that_is_gone_is_found(self, kept, keys):
        kept.stored.remove(evidence.link_key(keys[0]))
        found = verification.verify_chain("teller", kept.registry, kept.records)
        assert "link 1 is gone: the first stored one is 2" in found.all_faults

    def test_links_that_changed_places_are_found(self, kept, keys):
        places = [evidence.link_key(keys[n]) for n in (0, 1)]
        first, second = (kept.records.get(key) for key in places)
        kept.stored.overwrite(places[0], second)
        kept.stored.overwrite(places[1], first)
        assert any(f"the stored {places[0]} is the link of" in fault for fault in faults(1, kept))

    def test_links_that_changed_numbers_are_found(self, kept, keys):
        for key, number in ((keys[0], 2), (keys[1], 1)):
            self.rewrite(kept, evidence.link_key(key), lambda link, n=number: link.update(number=n))
        assert any("link 1 names a previous one" in fault for fault in faults(1, kept))
        assert any("link 2 follows on" in fault for fault in faults(1, kept))

    def test_a_head_that_was_moved_back_is_found(self, kept, keys):
        head = kept.registry.row("head/teller")
        second = json.loads(kept.records.get(evidence.link_key(keys[1])))
        assert kept.registry.replace("head/teller", second, expected=head)
        assert faults(1, kept) == ("the row head/teller names link 2, stored is a link 3",)

    def test_who_appends_to_a_head_that_was_moved_back_forks_the_chain_and_is_seen(
        self, kept, runs, keys
    ):
        head = kept.registry.row("head/teller")
        second = json.loads(kept.records.get(evidence.link_key(keys[1])))
        assert kept.registry.replace("head/teller", second, expected=head)
        publish(4, kept, runs)
        assert any("there are two links 3" in fault for fault in faults(1, kept))

    @pytest.mark.parametrize("which", [evidence.bundle_key, str], ids=["bundle", "verdict"])
    def test_what_is_gone_is_found(self, kept, keys, which):
        kept.stored.remove(which(keys[1]))
        assert any("gone" in fault or "no verdict of run" in fault for fault in faults(2, kept))
        whole = verification.verify_chain("teller", kept.registry, kept.records)
        assert any("is gone" in fault for fault in whole.all_faults)

    def test_a_bundle_that_is_cut_off_is_found(self, kept, keys):
        key = evidence.bundle_key(keys[1])
        kept.stored.overwrite(key, kept.records.get(key)[:-20])
        (fault,) = faults(2, kept)
        assert fault.startswith(f"the stored {key} is damaged: ")

    def test_a_case_that_is_not_the_datasets_is_found(self, kept, keys):
        def change(content):
            content["cases"][0]["critical"] = True

        self.rewrite(kept, evidence.bundle_key(keys[1]), change)
        assert "case c00 is not what dataset bank@1.0.0 holds" in faults(2, kept)

    def test_a_contract_that_was_changed_in_the_bundle_is_found(self, kept, keys):
        def change(content):
            content["plan"]["arms"]["baseline"]["contracts"][0]["description"] = "another"

        self.rewrite(kept, evidence.bundle_key(keys[1]), change)
        assert any(
            fault.startswith("baseline teller 1.0.0 has digest") for fault in faults(2, kept)
        )

    def test_a_run_whose_row_says_another_outcome_is_found(self, kept, keys):
        row = kept.registry.row(f"run/{run_id(2)}")
        changed = {**row, "outcome": "PASS"}
        assert kept.registry.replace(f"run/{run_id(2)}", changed, expected=row)
        assert faults(2, kept) == (f"the row run/{run_id(2)} says PASS, what is kept BLOCK",)

    def test_nobody_links_a_verdict_whose_link_names_another(self, kept, runs, keys):
        key = evidence.link_key(keys[1])
        self.rewrite(kept, key, lambda link: link.update(bundle_sha256="0" * 64))
        with pytest.raises(IntegrityFailed, match="names another verdict or bundle"):
            publish(2, kept, runs, failed=IDS[:2])


class TestFinding:
    def test_the_start_of_an_id_will_do_if_it_is_the_only_one(self, local_kept, runs):
        for number in (0x10, 0x11, 0x20):
            publish(number, local_kept, runs)
        find = verification.find_run
        assert find(run_id(0x20)[:-1], local_kept.registry).run_id == run_id(0x20)
        with pytest.raises(BadInput, match="2 ids start with"):
            find(run_id(0x10)[:-1], local_kept.registry)
        with pytest.raises(BadInput, match="there is no r-f"):
            find("r-f", local_kept.registry)


def test_a_bundle_that_another_zlib_packed_is_the_same(runs):
    key = decided(1, runs)
    data = evidence.load_bundle_bytes(key, runs)
    other = LocalArtifacts(runs._root / "other")
    other.put_once(evidence.bundle_key(key), gzip.compress(data, compresslevel=1, mtime=7))
    evidence.put_bundle(key, data, other)
    with pytest.raises(IntegrityFailed, match="is not what the run's scores give"):
        evidence.put_bundle(key, data + b" ", other)


def test_every_field_that_differs_is_named():
    before = {"a": [1, {"b": 1.0}], "c": "x", "d": None, "e": [1]}
    now = {"a": [1, {"b": 1}], "c": "x", "d": 0, "e": [1, 2], "f": True}
    assert list(verification.differences(before, now)) == [
        "a.1.b: stored 1.0, computed 1",
        "d: stored null, computed 0",
        "e.1: stored (nothing), computed 2",
        "f: stored (nothing), computed true",
    ]
