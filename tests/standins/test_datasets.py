"""Dataset exchange through real clients: the control plane's stand-in, and our versions over it."""

from functools import partial

import boto3
import pytest
from botocore.config import Config

from driftgate import exchange, registry
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.foreign_datasets import AgentCoreDatasets
from driftgate.adapters.local import LocalRegistry
from driftgate.errors import BadInput
from driftgate.schemas.exchanges import PREDEFINED, SIMULATED
from driftgate.schemas.manifests import DatasetRef
from local.standins.app import make_app
from tests.builders import bank, case, expect
from tests.standins.conftest import REGION, instance, served
from tests.unit.test_exchange import EXPRESSIBLE

NO_RETRIES = Config(retries={"total_max_attempts": 1})


@pytest.fixture
def control():
    """A control plane without any dataset."""

    def undeployed():
        raise AssertionError("nothing here needs a deployment")

    with served(partial(make_app, instance("http://127.0.0.1:9"), undeployed)) as url:
        yield boto3.client(
            "bedrock-agentcore-control",
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=NO_RETRIES,
        )


@pytest.fixture
def service(control):
    return AgentCoreDatasets(control, lambda _: None)


@pytest.fixture
def stored(tmp_path):
    return LocalRegistry(tmp_path / "registry")


def publish(stored, *cases, version="1.0.0"):
    dataset = bank(*cases, version=version)
    registry.publish_dataset(dataset, stored, SystemClock(), author="us")
    return DatasetRef(name="bank", version=version)


def export(ref, stored, service, schema=PREDEFINED):
    return exchange.export_dataset(ref, schema, stored, service, SystemClock())


def example(id="a", **rest):
    return {"scenario_id": id, "turns": [{"input": "hi"}], **rest}


def create(control, *examples, name="theirs", **rest):
    source = {"inlineExamples": {"examples": list(examples)}}
    return control.create_dataset(datasetName=name, schemaType=PREDEFINED, source=source, **rest)


class TestTheService:
    def test_a_change_takes_effect_later_and_others_wait_for_it(self, control):
        created = create(control, example())
        id = created["datasetId"]
        assert created["status"] == "CREATING"
        with pytest.raises(control.exceptions.ConflictException):
            control.create_dataset_version(datasetId=id)
        assert control.get_dataset(datasetId=id)["status"] == "CREATING"
        assert control.get_dataset(datasetId=id)["status"] == "ACTIVE"
        assert control.create_dataset_version(datasetId=id)["datasetVersion"] == "1"
        assert control.get_dataset(datasetId=id, datasetVersion="1")["exampleCount"] == 1

    def test_the_same_token_is_the_same_dataset(self, control):
        first, again = (create(control, example(), clientToken="t" * 40) for _ in range(2))
        assert first["datasetId"] == again["datasetId"]
        with pytest.raises(control.exceptions.ConflictException):
            create(control, example())

    def test_examples_are_taken_all_or_none(self, control):
        with pytest.raises(control.exceptions.ValidationException, match="example 2: turns"):
            create(control, example(), {"scenario_id": "b"})
        assert control.list_datasets()["datasets"] == []

    def test_a_version_stays_as_it_was_published(self, control):
        id = create(control, example("a"))["datasetId"]
        for _ in range(2):
            control.get_dataset(datasetId=id)
        control.create_dataset_version(datasetId=id)
        control.get_dataset(datasetId=id)
        (old,) = control.list_dataset_examples(datasetId=id)["examples"]
        control.delete_dataset_examples(datasetId=id, exampleIds=[old["exampleId"]])
        version = control.list_dataset_examples(datasetId=id, datasetVersion="1")
        assert [one["scenario_id"] for one in version["examples"]] == ["a"]
        assert control.list_dataset_examples(datasetId=id)["examples"] == []

    def test_what_is_not_there_is_not_found(self, control):
        with pytest.raises(control.exceptions.ResourceNotFoundException):
            control.get_dataset(datasetId="none")
        with pytest.raises(control.exceptions.ResourceNotFoundException):
            control.list_dataset_examples(datasetId="none")


class TestExport:
    def test_what_can_be_expressed_comes_back_equal(self, stored, service):
        ref = publish(stored, *EXPRESSIBLE)
        exported = export(ref, stored, service)
        assert (exported.there.name, exported.there.version, exported.left_out) == ("bank", "1", {})
        there = service.find(exported.there.arn, None)
        dataset, left = exchange.import_dataset(there, service.examples(there), (), owner="us")
        assert (dataset.sha256, left) == (exported.sha256, {})
        exchange.record_import(dataset, there, left, stored, SystemClock())
        assert [e.direction for e in exchange.exchanges(ref, stored)] == ["export", "import"]

    def test_the_next_version_is_the_next_version_of_the_same_dataset(self, stored, service):
        first = export(publish(stored, case(case_id="a")), stored, service)
        cases = [case(case_id="b"), case(case_id="c")]
        second = export(publish(stored, *cases, version="1.1.0"), stored, service)
        assert second.there.dataset_id == first.there.dataset_id
        assert (first.there.version, second.there.version) == ("1", "2")
        assert [e["scenario_id"] for e in service.examples(first.there)] == ["a"]
        assert [e["scenario_id"] for e in service.examples(second.there)] == ["b", "c"]

    def test_the_same_version_again_is_no_new_one(self, stored, service, control):
        ref = publish(stored, case())
        assert export(ref, stored, service) == export(ref, stored, service)
        (only,) = control.list_datasets()["datasets"]
        versions = control.list_dataset_versions(datasetId=only["datasetId"])["versions"]
        assert [version["datasetVersion"] for version in versions] == ["1"]

    def test_what_is_lost_stands_beside_the_version(self, stored, service):
        ref = publish(stored, case(expect("find", args={"id": 1}), world={"x": 1}))
        export(ref, stored, service)
        (row,) = exchange.exchanges(ref, stored)
        assert row.left_out == {"expected_calls.arguments": ("refund",), "world": ("refund",)}

    def test_a_simulated_one_is_a_dataset_of_its_own(self, stored, service):
        ref = publish(stored, *EXPRESSIBLE)
        names = [export(ref, stored, service, s).there.name for s in (PREDEFINED, SIMULATED)]
        assert names == ["bank", "bank_simulated"]

    def test_more_cases_than_it_takes_are_refused_before_anything_is_written(
        self, stored, service, control
    ):
        ref = publish(stored, *(case(case_id=f"c{number}") for number in range(1001)))
        with pytest.raises(BadInput, match=r"wanted at most 1000 cases, .* got 1001"):
            export(ref, stored, service)
        assert control.list_datasets()["datasets"] == []

    def test_more_bytes_than_a_request_takes_are_refused_as_they_would_be_sent(
        self, stored, service, control
    ):
        ref = publish(stored, case(turns=[{"user": "ä" * 900_000}]))
        with pytest.raises(BadInput, match="wanted at most 5000000 bytes of examples, got 5400"):
            export(ref, stored, service)
        assert control.list_datasets()["datasets"] == []

    def test_a_thousand_go_in_one_request_and_come_back_in_pages(self, stored, service):
        ref = publish(stored, *(case(case_id=f"c{number:04}") for number in range(1000)))
        there = export(ref, stored, service).there
        assert len(service.examples(there)) == 1000

    def test_a_dataset_of_that_name_with_another_schema_is_left_alone(
        self, stored, service, control
    ):
        control.create_dataset(datasetName="bank", schemaType="THIRD_PARTY_EVALUATION_V1")
        with pytest.raises(BadInput, match="it is THIRD_PARTY_EVALUATION_V1"):
            export(publish(stored, case()), stored, service)


def test_a_dataset_that_was_never_published_has_no_newest_version(control, service):
    id = create(control, example())["datasetId"]
    assert service.find(id, None) is None
    assert service.find(id, "DRAFT").version == "DRAFT"
    assert service.find("none", None) is None
