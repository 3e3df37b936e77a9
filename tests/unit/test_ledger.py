"""The ledger's rows, what they cost, and where they are kept."""

import csv
import io
import json
import sqlite3

import pytest

from driftgate import executions, prices
from driftgate.adapters.local_ledger import LocalLedger
from driftgate.errors import BadInput, IntegrityFailed
from driftgate.report import exports
from driftgate.schemas.ledger import LedgerQuery
from driftgate.schemas.manifests import Costs
from driftgate.schemas.prices import PriceTable
from driftgate.schemas.traces import Trace, Usage
from tests.builders import call, trace
from tests.executions import row
from tests.ledgers import LedgerContract, made

MODEL = "eu.acme.large-v1:0"
PRICE = {"model": MODEL, "input_usd": 2.0, "output_usd": 10.0, "source": "a page"}
TABLE = PriceTable.model_validate(
    {
        "version": "2026-11-20",
        "prices": [
            {**PRICE, "effective": "2026-01-01"},
            {**PRICE, "effective": "2026-11-01", "input_usd": 1.0, "cache_read_usd": 0.1},
        ],
    }
)
AT = "2026-11-20T10:00:00+00:00"


def used(**tokens):
    return Trace(
        case_id="x", usage=Usage(**{"input_tokens": 10**6, "output_tokens": 10**5, **tokens})
    )


def cost(made=None, model=MODEL, at=AT, costs=None, table=TABLE):
    return prices.of_trial(made or used(), model, at, costs or Costs(), table)


class TestPrices:
    def test_the_price_is_the_one_in_force_on_the_day_of_the_trial(self):
        assert cost(at="2026-10-31T23:59:59+00:00").usd == pytest.approx(3.0)
        assert cost(at="2026-11-01T00:00:00+00:00").usd == pytest.approx(2.0)

    def test_an_unknown_model_has_no_cost_and_it_is_said_why(self):
        found = cost(model="eu.acme.small-v1:0")
        assert (found.usd, found.basis) == (None, None)
        assert (
            found.missing
            == "the prices of 2026-11-20 have none of eu.acme.small-v1:0 at 2026-11-20"
        )

    def test_another_regions_profile_of_a_model_is_another_id(self):
        assert cost(model="us.acme.large-v1:0").usd is None

    def test_a_trial_before_the_first_price_has_no_cost(self):
        assert cost(at="2025-12-31T10:00:00+00:00").usd is None

    def test_an_arn_ends_with_the_id_it_is_priced_by(self):
        arn = f"arn:aws:bedrock:eu-west-1:111122223333:inference-profile/{MODEL}"
        assert cost(model=arn).usd == pytest.approx(2.0)
        own = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc"
        assert cost(model=own).usd is None

    def test_what_the_agent_says_it_cost_comes_first_then_its_manifest(self):
        own = Costs(input_usd=5.0, output_usd=0.0)
        assert cost(used().model_copy(update={"cost_usd": 7.0}), costs=own)[:2] == (7.0, "agent")
        assert cost(costs=own)[:2] == (5.0, "manifest")
        assert cost()[1] == "price table"

    def test_cached_tokens_are_paid_at_their_own_price(self):
        assert cost(used(cache_read_tokens=10**6)).usd == pytest.approx(2.1)

    def test_cached_tokens_without_a_price_leave_the_cost_unknown(self):
        found = cost(used(cache_write_tokens=5))
        assert found.usd is None
        assert found.missing == f"the price of cached tokens of {MODEL} is not known"

    def test_a_manifest_has_no_price_of_cached_tokens_so_the_table_is_asked(self):
        own = Costs(input_usd=5.0, output_usd=0.0)
        assert cost(used(cache_read_tokens=10**6), costs=own)[:2] == (
            pytest.approx(2.1),
            "price table",
        )

    def test_tokens_that_are_not_told_cost_something_unknown(self):
        assert cost(used(output_tokens=None)).usd is None

    def test_two_prices_of_a_model_from_one_day_are_refused(self):
        twice = {"version": "2026-11-20", "prices": [{**PRICE, "effective": "2026-01-01"}] * 2}
        with pytest.raises(ValueError, match=r"two prices of eu\.acme\.large-v1:0 from"):
            PriceTable.model_validate(twice)

    def test_the_shipped_table_says_of_every_price_whence_it_is_and_since_when(self):
        table = prices.shipped()
        assert len(table.prices) >= 40
        assert all(one.source and one.effective <= table.version for one in table.prices)


class TestRows:
    def test_calls_without_any_recorded_result_neither_failed_nor_succeeded(self):
        generated = trace(call("pay"), not_recorded=("results",))
        assert executions._failed(generated) is None
        assert executions._failed(trace(call("pay"), call("pay", error="refused"))) == 1
        assert executions._failed(trace(call("pay"))) == 0
        assert executions._failed(trace(not_recorded=("results",))) == 0

    def test_findings_are_read_in_whatever_form_agents_tell_them(self):
        reported = [
            {"type": "cost", "confidence": 0.8, "summary": "idle disks"},
            {"category": "risk", "confidence": 80, "title": "open port"},
            "a plain sentence",
            {"score": True, "unknown": 1},
            None,
        ]
        found = executions.findings(reported)
        assert [(f.type, f.confidence, f.summary) for f in found] == [
            ("cost", 0.8, "idle disks"),
            ("risk", None, "open port"),
            (None, None, "a plain sentence"),
            (None, None, '{"score": true, "unknown": 1}'),
        ]
        assert executions.findings([]) == []
        assert len(executions.findings({"type": "one"})) == 1


class TestLocalLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path):
        return LocalLedger(tmp_path / "home" / "ledger.sqlite")

    def test_a_ledger_that_nothing_was_written_to_is_empty_and_stays_unmade(self, ledger, tmp_path):
        assert ledger.page(LedgerQuery(), None, 5).rows == ()
        assert not (tmp_path / "home").exists()

    def test_a_damaged_row_is_said_to_be(self, ledger, tmp_path):
        ledger.put_once(made(1))
        with sqlite3.connect(tmp_path / "home" / "ledger.sqlite") as database:
            database.execute("UPDATE executions SET row = '{}'")
        database.close()
        with pytest.raises(IntegrityFailed, match="is damaged: "):
            ledger.page(LedgerQuery(), None, 5)

    def test_a_file_that_is_no_ledger_is_said_to_be_none(self, ledger, tmp_path):
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "ledger.sqlite").write_text("no database at all, but some text")
        with pytest.raises(IntegrityFailed, match="not a database"):
            ledger.put_once(made(1))

    def test_a_page_of_nothing_is_refused(self, ledger):
        with pytest.raises(BadInput, match="limit: wanted at least 1, got 0"):
            ledger.page(LedgerQuery(), None, 0)


class TestExports:
    def test_no_text_is_taken_for_a_formula(self):
        evil = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]
        rows = [row("=cmd|' /C calc'!A0", f"c{n}", stop_reason=text) for n, text in enumerate(evil)]
        read = list(csv.DictReader(io.StringIO(exports.csv_of(rows))))
        assert [one["model"][0] for one in read] == ["'"] * len(evil)
        assert not any(one["stop_reason"].startswith(exports.FORMULA) for one in read)

    def test_numbers_stay_numbers_and_what_is_missing_stays_empty(self):
        rows = [row("large", "x", latency_s=0.25, tools=("list", "get"), failed_calls=1)]
        (read,) = csv.DictReader(io.StringIO(exports.csv_of(rows)))
        assert (read["latency_s"], read["calls"], read["succeeded_calls"]) == ("0.25", "2", "1")
        assert (read["cost_usd"], read["tools"], read["task_success"]) == ("", "list > get", "1.0")

    def test_json_lines_hold_all_of_a_row(self):
        one = row("large", "x")
        (line,) = exports.jsonl_of([one])
        assert type(one).model_validate(json.loads(line)) == one
