"""Versions are immutable, hashes are checked, pointers move one at a time."""

import subprocess
import sys

import pytest

from driftgate import datasets, registry
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import Drafts, LocalArtifacts, LocalRegistry
from driftgate.errors import AlreadyPublished, IntegrityFailed, NotPublished, PointerMoved
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.manifests import Manifest
from tests.builders import case, contract, expect, manifest

CLOCK = SystemClock()


@pytest.fixture
def stored(tmp_path):
    return LocalRegistry(tmp_path)


def dataset(*cases, version="1.0.0", parent=None):
    header = DatasetHeader(
        name="bank",
        version=version,
        owner="us",
        changelog="x",
        parent=parent,
        tools={"pay": "write", "find": "read"},
    )
    return datasets.build(header, cases or [case(expect("pay", "write"))])


def publish(stored, *cases, **rest):
    return registry.publish_dataset(dataset(*cases, **rest), stored, CLOCK, author="me")


def agent(version="1.0.0", **rest):
    contracts = [ToolContract.model_validate(contract("pay", "write"))]
    return registry.seal_agent(
        Manifest.model_validate(manifest(version=version, **rest)),
        contracts,
        {"p.md": "be kind"},
        None,
    )


def test_a_condition_on_null_is_stored_and_one_that_was_not_given_is_not(stored):
    publish(stored)
    steps = [{"require": 1, "equals": None, "otherwise": {"error": "NO"}}, {"answer": {}}]
    strict = ToolContract.model_validate(contract("pay", "write", behaviour=steps))
    sealed = registry.seal_agent(Manifest.model_validate(manifest()), [strict], {}, None)
    assert sealed.digest != agent().digest
    registry.publish_agent(sealed, None, stored)
    loaded = registry.load_agent("teller", "1.0.0", stored)
    assert loaded.contracts[0].model_dump(mode="json")["behaviour"][0] == {
        "require": 1,
        "equals": None,
        "otherwise": {"error": "NO", "message": ""},
    }


class TestDatasets:
    def test_a_version_has_its_counts_and_comes_back_as_it_was(self, stored):
        cases = [case(expect("pay", "write"), case_id="a", critical=True), case(case_id="b")]
        row = publish(stored, *cases)
        assert (row.count, row.critical, row.by_tool) == (2, 1, {"pay": 1})
        assert list(registry.load_cases(row, stored)) == cases

    def test_the_same_content_again_is_no_change(self, stored):
        first = publish(stored)
        assert publish(stored) == first

    def test_other_content_is_refused_and_both_hashes_are_named(self, stored):
        first = publish(stored)
        with pytest.raises(AlreadyPublished) as refused:
            publish(stored, case(case_id="other"))
        assert first.sha256 in str(refused.value)
        assert dataset(case(case_id="other")).sha256 in str(refused.value)

    def test_the_order_of_lines_is_not_content(self):
        a, b = case(case_id="a"), case(case_id="b")
        assert dataset(a, b).sha256 == dataset(b, a).sha256

    def test_a_shorthand_is_the_same_content_as_what_it_is_short_for(self):
        short = case(expect("pay", "write", args={"n": 5}))
        long = case(expect("pay", "write", args={"n": {"match": "number", "value": 5, "abs": 0}}))
        assert dataset(short).sha256 == dataset(long).sha256

    def test_versions_are_listed_in_their_order(self, stored):
        for version in ("1.10.0", "1.9.0", "1.2.0"):
            publish(stored, version=version)
        assert [r.version for r in registry.list_datasets(stored)] == ["1.2.0", "1.9.0", "1.10.0"]


class TestAgents:
    def test_the_digest_covers_all_that_makes_a_version(self):
        other_prompt = registry.seal_agent(
            agent().manifest, agent().contracts, {"p.md": "be rude"}, None
        )
        other_code = registry.seal_agent(
            agent().manifest, agent().contracts, agent().prompts, "1" * 64
        )
        other_tool = registry.seal_agent(agent().manifest, [], agent().prompts, None)
        other_model = agent(model="bigger")
        digests = {v.digest for v in (agent(), other_prompt, other_code, other_tool, other_model)}
        assert len(digests) == 5

    def test_a_manifest_must_pin_a_published_dataset(self, stored):
        with pytest.raises(
            NotPublished, match=r"dataset bank@1.0.0 is not published in laptop; there is no"
        ):
            registry.publish_agent(agent(), None, stored)

    def test_the_datasets_of_all_suites_must_be_published_unless_told_otherwise(self, stored):
        publish(stored)
        attacked = agent(datasets={"regression": "bank@1.0.0", "adversarial": "raids@1.0.0"})
        with pytest.raises(NotPublished, match=r"^datasets.adversarial: dataset raids@1.0.0"):
            registry.publish_agent(attacked, None, stored)
        assert registry.publish_agent(attacked, None, stored, ["regression"]) == attacked

    def test_a_version_with_another_digest_is_refused(self, stored):
        publish(stored)
        registry.publish_agent(agent(), None, stored)
        registry.publish_agent(agent(), None, stored)
        with pytest.raises(AlreadyPublished, match="give it a new version"):
            registry.publish_agent(agent(model="other"), None, stored)

    def test_a_contract_may_not_change_under_its_version(self, stored):
        publish(stored)
        registry.publish_agent(agent(), None, stored)
        other = ToolContract.model_validate(contract("pay", "write", description="Pay more."))
        changed = registry.seal_agent(agent("1.1.0").manifest, [other], {}, None)
        with pytest.raises(
            AlreadyPublished, match=r"contract pay 1.0.0 differs from that of teller 1"
        ):
            registry.publish_agent(changed, None, stored)

    def test_a_version_that_was_edited_in_the_store_is_found(self, stored, tmp_path):
        publish(stored)
        registry.publish_agent(agent(), None, stored)
        (row,) = (tmp_path / "rows").glob("agent*")
        row.write_text(row.read_text().replace("be kind", "be rude"))
        with pytest.raises(IntegrityFailed, match=r"teller 1.0.0 was published with digest"):
            registry.load_agent("teller", "1.0.0", stored)

    def test_code_that_is_not_what_was_published_is_found(self, stored, tmp_path):
        publish(stored)
        sealed = agent()
        code = b"def answer(): ..."
        sealed = registry.seal_agent(
            sealed.manifest, sealed.contracts, sealed.prompts, stored.put_blob("agents", code)
        )
        registry.publish_agent(sealed, code, stored)
        assert registry.load_code(sealed, stored) == code
        blob = tmp_path / "agents" / sealed.code_sha256
        blob.write_bytes(b"def answer(): 0/0")
        with pytest.raises(IntegrityFailed, match=r"the code of agent teller 1.0.0 was published"):
            registry.load_code(sealed, stored)
        blob.unlink()
        with pytest.raises(IntegrityFailed, match="its stored content has nothing"):
            registry.load_code(sealed, stored)


class TestBaselines:
    @pytest.fixture(autouse=True)
    def _versions(self, stored):
        publish(stored)
        for version in ("1.0.0", "1.1.0"):
            registry.publish_agent(agent(version), None, stored)

    def test_a_pointer_is_per_environment(self, stored):
        registry.promote("teller", "1.0.0", "prod", stored, CLOCK)
        registry.promote("teller", "1.1.0", "dev", stored, CLOCK)
        assert registry.baseline("teller", "prod", stored).version == "1.0.0"
        assert registry.baseline("teller", "dev", stored).version == "1.1.0"
        assert registry.baseline("teller", "staging", stored) is None

    def test_only_a_stored_version_can_be_a_baseline(self, stored):
        with pytest.raises(NotPublished, match=r"there are 1.0.0, 1.1.0"):
            registry.promote("teller", "2.0.0", "prod", stored, CLOCK)

    def test_a_pointer_that_somebody_else_moved_is_not_moved_over_them(self, stored):
        class Overtaken(LocalRegistry):
            def replace(self, key, row, expected):
                registry.promote("teller", "1.1.0", "prod", stored, CLOCK)
                return super().replace(key, row, expected)

        with pytest.raises(PointerMoved):
            registry.promote("teller", "1.0.0", "prod", Overtaken(stored._root), CLOCK)
        assert registry.baseline("teller", "prod", stored).version == "1.1.0"


class TestDrafts:
    def test_what_a_run_drafts_is_not_published(self, stored):
        drafts = Drafts(stored)
        publish(drafts)
        registry.publish_agent(agent(), None, drafts)
        assert registry.load_agent("teller", "1.0.0", drafts) == agent()
        with pytest.raises(NotPublished):
            registry.load_agent("teller", "1.0.0", stored)

    def test_a_draft_never_takes_the_place_of_a_published_version(self, stored):
        """Or a candidate edited under its baseline's version would be compared with itself."""
        publish(stored)
        registry.publish_agent(agent(), None, stored)
        drafts = Drafts(stored)
        registry.publish_agent(agent(), None, drafts)
        with pytest.raises(
            AlreadyPublished, match=r"teller 1.0.0 exists with digest .* new version"
        ):
            registry.publish_agent(agent(model="edited"), None, drafts)
        with pytest.raises(AlreadyPublished, match=r"bank@1.0.0 exists with sha256"):
            publish(drafts, case(case_id="edited"))


class TestArtifacts:
    def test_the_first_to_write_a_key_wins(self, tmp_path):
        runs = LocalArtifacts(tmp_path)
        assert runs.put_once("runs/r/x.json", b"one")
        assert not runs.put_once("runs/r/x.json", b"two")
        assert runs.get("runs/r/x.json") == b"one"
        assert runs.get("runs/r/y.json") is None

    def test_keys_are_found_by_their_beginning(self, tmp_path):
        runs = LocalArtifacts(tmp_path)
        for key in ("runs/r/a/2.json", "runs/r/a/1.json", "runs/r/ab/1.json", "runs/q/a/1.json"):
            runs.put_once(key, b"")
        assert runs.keys("runs/r/a/") == ["runs/r/a/1.json", "runs/r/a/2.json"]
        assert len(runs.keys("runs/r/a")) == 3
        assert runs.keys("nothing/") == []

    def test_of_many_processes_one_writes_and_what_is_read_is_whole(self, tmp_path):
        script = (
            "import sys, pathlib; from driftgate.adapters.local import LocalArtifacts; "
            "data = sys.argv[2].encode() * 1_000_000; "
            "print(LocalArtifacts(pathlib.Path(sys.argv[1])).put_once('big', data))"
        )
        writers = [
            subprocess.Popen([sys.executable, "-c", script, tmp_path, n], stdout=subprocess.PIPE)
            for n in "0123"
        ]
        won = [writer.communicate()[0].strip() for writer in writers]
        assert sorted(won) == [b"False", b"False", b"False", b"True"]
        content = LocalArtifacts(tmp_path).get("big")
        assert content == str(won.index(b"True")).encode() * 1_000_000
        assert LocalArtifacts(tmp_path).keys("") == ["big"]
