"""The ledger in DynamoDB, on the emulator."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from driftgate import executions, names
from driftgate.adapters import dynamo_ledger
from driftgate.adapters.dynamo_ledger import DynamoLedger
from driftgate.schemas.ledger import LedgerQuery
from tests.executions import row
from tests.ledgers import LedgerContract


class TestDynamoLedger(LedgerContract):
    @pytest.fixture
    def table(self, cloud):
        """As `stacks/data.py` has it, which a test of the templates holds to the same names."""
        name = f"ledger-{uuid.uuid4().hex[:8]}"
        cloud.instance.client("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": one, "AttributeType": "S"}
                for one in ("pk", "sk", "place", *names.LEDGER_INDEXES)
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": one,
                    "KeySchema": [
                        {"AttributeName": one, "KeyType": "HASH"},
                        {"AttributeName": "place", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
                for one in names.LEDGER_INDEXES
            ],
        )
        return name

    @pytest.fixture
    def ledger(self, cloud, table):
        return DynamoLedger(cloud.instance.client("dynamodb"), table)

    def test_the_trials_of_a_day_lie_in_several_partitions_and_come_back_in_order(
        self, cloud, table, ledger
    ):
        start = datetime(2026, 11, 20, tzinfo=UTC)
        rows = [
            row("large", f"c{n}", at=(start + timedelta(hours=n)).isoformat()) for n in range(60)
        ]
        ledger.put_all_once(rows)
        items = cloud.instance.client("dynamodb").scan(TableName=table)["Items"]
        parts = {item["model"]["S"] for item in items if "row" in item}
        days = {"2026-11-20", "2026-11-21", "2026-11-22"}
        assert parts == {f"large|{d}|{n}" for d in days for n in range(dynamo_ledger.SHARDS)}
        found = list(executions.every(ledger, LedgerQuery(model="large"), at_a_time=7))
        assert [one.case_id for one in found] == [f"c{n}" for n in range(59, -1, -1)]

    def test_a_model_with_a_mark_of_the_keys_in_its_name_is_found(self, ledger):
        odd = row("a|b|2026-11-20|0", "x")
        ledger.put_once(odd)
        ledger.put_once(row("a|b", "y"))
        assert list(executions.every(ledger, LedgerQuery(model=odd.model))) == [odd]
