"""An upload becomes a version only if it is a dataset; a version goes from place to place whole."""

import pytest

from driftgate import canonical, curation, datasets, registry
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LocalArtifacts, LocalRegistry
from driftgate.errors import AlreadyPublished, BadInput, IntegrityFailed, NotPublished
from driftgate.schemas.datasets import PublishDatasetRequest
from driftgate.schemas.manifests import DatasetRef
from tests.builders import bank, case, expect

CLOCK = SystemClock()
REF = DatasetRef(name="bank", version="1.0.0")


@pytest.fixture
def stored(tmp_path):
    return LocalRegistry(tmp_path / "registry")


@pytest.fixture
def uploads(tmp_path):
    return LocalArtifacts(tmp_path / "uploads")


def content(*cases, **header):
    """The bytes of these cases in this order, which need not be a dataset's."""
    return datasets.to_bytes(bank(**header).header, cases)


class TestUploads:
    @pytest.fixture
    def publish(self, stored, uploads):
        def publish(data, header=None, sha256=None):
            sha256 = sha256 or canonical.sha256(data)
            uploads.put_once(curation.upload_key(sha256), data)
            request = PublishDatasetRequest(
                header=header or bank().header, sha256=sha256, author="me"
            )
            return curation.publish_dataset(request, stored, uploads, CLOCK).version

        return publish

    @pytest.fixture
    def refused(self, publish, stored):
        def refused(*words, **rest):
            with pytest.raises(BadInput) as error:
                publish(*words, **rest)
            assert registry.list_datasets(stored) == []
            return str(error.value)

        return refused

    def test_a_dataset_becomes_a_version_with_what_its_header_says(self, publish, stored):
        dataset = bank(description="Payments.", changelog="First.")
        row = publish(content(*dataset.cases), dataset.header)
        assert (row.sha256, row.author, row.owner) == (dataset.sha256, "me", "us")
        assert (row.changelog, row.description, row.parent) == ("First.", "Payments.", None)
        assert (row.count, row.by_task_type, row.by_tool) == (1, {"refunds": 1}, {"pay": 1})
        assert registry.load_dataset(row, stored) == dataset

    def test_the_same_upload_again_is_no_change(self, publish, stored):
        first = publish(content(*bank().cases))
        assert publish(content(*bank().cases)) == first
        assert stored.keys("") == ["dataset/bank/1.0.0"]

    def test_another_upload_for_the_version_is_refused(self, publish):
        publish(content(*bank().cases))
        with pytest.raises(AlreadyPublished, match=bank(case()).sha256):
            publish(content(case()))

    def test_an_upload_that_is_not_there(self, stored, uploads):
        request = PublishDatasetRequest(header=bank().header, sha256="0" * 64, author="me")
        with pytest.raises(BadInput, match=f"wanted content with sha256 {'0' * 64}, found nothing"):
            curation.publish_dataset(request, stored, uploads, CLOCK)

    def test_an_upload_of_something_else(self, refused):
        said = refused(content(case()), sha256=bank().sha256)
        assert said == (
            f"upload: wanted content with sha256 {bank().sha256}, "
            f"found content with {bank(case()).sha256}"
        )

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (b'"turns":[', b'"turns":"[', "line 2: not a JSON object on one line"),
            (b'"case_id":"refund"', b'"case_id":"Refund me"', "line 2: case_id: String should"),
            (b'"task_type"', b'"tusk_type"', "line 2: tusk_type: there is no such field"),
            (b'{"name"', b'["name"', "Expecting"),
            (b'"bank"', b'"b\xffnk"', "'utf-8' codec can't decode"),
        ],
    )
    def test_a_line_that_is_no_case(self, refused, old, new, said):
        data = content(case(expect("pay", "write")))
        assert data.count(old) == 1
        assert refused(data.replace(old, new)).startswith(f"dataset bank@1.0.0: {said}")

    def test_a_tool_that_the_header_does_not_name(self, refused):
        said = refused(content(case(expect("sell", "write"))))
        assert said == (
            "dataset bank@1.0.0: case refund: expected_calls.0.tool: "
            "unknown tool 'sell'; the dataset has find, pay"
        )

    def test_a_case_twice(self, refused):
        assert refused(content(case(), case())) == (
            "dataset bank@1.0.0: case_id: 'refund' is given twice"
        )

    def test_no_case_at_all(self, refused):
        assert refused(content()) == (
            "dataset bank@1.0.0: wanted at least one case, the upload has none"
        )

    @pytest.mark.parametrize(
        "data",
        [
            content(case(case_id="b"), case(case_id="a")),
            content(case()).replace(b",", b", ", 1),
            content(case()).replace(b'{"case_id"', b'{"critical":false,"case_id"'),
            content(case(), name="shop"),
            content(case(), tools={"pay": "write"}),
            content(case()) + b"\n",
        ],
        ids=["order", "spaces", "defaults", "name", "tools", "empty-line"],
    )
    def test_a_content_that_is_not_in_its_canonical_form(self, refused, data):
        """Or one dataset would have several hashes."""
        assert "wanted its canonical content, which has sha256" in refused(data)


class TestPromotion:
    @pytest.fixture
    def target(self, tmp_path):
        return LocalRegistry(tmp_path / "target")

    @pytest.fixture
    def promote(self, stored, target):
        def promote(version="1.0.0"):
            return curation.promote_dataset(
                DatasetRef(name="bank", version=version),
                stored,
                target,
                lambda dataset, author: publish(target, dataset, author),
            )

        return promote

    @pytest.fixture
    def line(self, stored):
        """Three versions, each grown from the one before."""
        return [
            publish(stored, bank(description="Payments.", changelog="First.")),
            publish(stored, bank(case(), version="1.1.0", parent="1.0.0")),
            publish(stored, bank(version="1.2.0", parent="1.1.0")),
        ]

    def test_the_target_has_the_same_version_with_all_that_is_said_of_it(
        self, promote, line, target
    ):
        row = promote()
        assert row == registry.load_dataset_row(REF, target)
        made = {"created_at": row.created_at}
        assert row == line[0].model_copy(update=made)
        assert row.author == "somebody"
        assert registry.load_cases(row, target) == bank().cases

    def test_a_line_of_versions_has_equal_chain_hashes_in_both_places(self, promote, line, target):
        promoted = [promote(row.version) for row in line]
        assert [row.chain_sha256 for row in promoted] == [row.chain_sha256 for row in line]
        assert not [check for check in registry.check_datasets(target) if check.faults]

    def test_again_is_no_change(self, promote, line, stored, target):
        first = promote()
        never = curation.promote_dataset(REF, stored, target, lambda dataset, author: 1 / 0)
        assert never == first

    def test_parents_go_first_and_the_message_says_in_which_order(self, promote, line, target):
        with pytest.raises(NotPublished, match=r"promote first: bank@1.0.0, bank@1.1.0$"):
            promote("1.2.0")
        promote("1.0.0")
        with pytest.raises(NotPublished, match=r"promote first: bank@1.1.0$"):
            promote("1.2.0")
        assert target.keys("") == ["dataset/bank/1.0.0"]

    def test_a_parent_with_another_history_is_refused(self, promote, line, target):
        other = publish(target, bank(case(case_id="other")))
        with pytest.raises(AlreadyPublished, match="two different histories") as refused:
            promote("1.1.0")
        assert line[0].chain_sha256 in str(refused.value)
        assert other.chain_sha256 in str(refused.value)

    def test_a_history_that_differs_further_back_is_seen_too(self, promote, line, target):
        publish(target, bank(case(case_id="other")))
        publish(target, bank(case(), version="1.1.0", parent="1.0.0"))
        with pytest.raises(AlreadyPublished, match=r"dataset bank@1.1.0, a parent"):
            promote("1.2.0")

    def test_another_content_in_the_target_is_refused(self, promote, line, target):
        other = publish(target, bank(case(case_id="other")))
        with pytest.raises(AlreadyPublished) as refused:
            promote()
        assert line[0].sha256 in str(refused.value)
        assert other.sha256 in str(refused.value)

    def test_the_same_content_without_its_parent_is_refused(self, promote, line, target):
        publish(target, bank(case(), version="1.1.0"))
        with pytest.raises(AlreadyPublished, match="chain hash"):
            promote("1.1.0")

    def test_what_is_damaged_in_the_source_is_not_promoted(self, promote, line, stored, target):
        row = stored.row("dataset/bank/1.0.0")
        stored.replace("dataset/bank/1.0.0", {**row, "count": 7}, expected=row)
        with pytest.raises(IntegrityFailed, match=r"in the source: .* its row says 7"):
            promote()
        assert target.keys("") == []

    def test_what_is_damaged_in_the_target_is_not_called_the_same(
        self, promote, line, tmp_path, target
    ):
        row = promote()
        (tmp_path / "target" / "datasets" / row.sha256).write_bytes(b"something else")
        with pytest.raises(IntegrityFailed, match="in the target: "):
            promote()

    def test_a_version_that_is_not_there(self, promote):
        with pytest.raises(NotPublished, match=r"bank@1.0.0 is not published"):
            promote()


def publish(place, dataset, author="somebody"):
    return registry.publish_dataset(dataset, place, CLOCK, author=author)
