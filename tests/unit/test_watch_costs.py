"""What watching production costs, worked out by hand."""

import json

import pytest
from typer.testing import CliRunner

from driftgate import watch_costs
from driftgate.cli.main import app
from driftgate.schemas.costs import WatchPrices, WatchUse

FREE = WatchPrices(
    effective="2026-01-01",
    source="made up",
    metrics=(),
    **{
        field: 0
        for field in WatchPrices.model_fields
        if field not in ("schema_version", "effective", "source", "metrics")
    },
)
USE = WatchUse(conversations=24_000, agents=2, task_types=5, tools=3, fragments=4)  # 100 h a type
SESSIONS, BATCHES = 30 * 24_000, 30 * 24_000 * 4
JUDGED = 30 * 12 * 24 * 2 * 5  # the floor of 12 is more than a tenth of 100


def bill(use=USE, **prices):
    items = watch_costs.of_watch(use, FREE.model_copy(update=prices))
    return {item.name: item.usd for item in items if item.usd and "model" not in item.name}


def priced(**price):
    (usd,) = bill(**price).values()
    return usd


@pytest.mark.parametrize(
    ("conversations", "judged"),
    [
        (240, 240),  # one an hour of each type: below the floor, so all
        (24_000, 12 * 240),  # a tenth of 100 an hour is below the floor
        (48_000, 4_800),  # a tenth of 200 is above it
        (2_400_000, 600 * 240),  # a tenth of 10,000 is above the ceiling
    ],
)
def test_the_base_rate_is_raised_to_the_floor_and_held_to_the_ceiling(conversations, judged):
    use = USE.model_copy(update={"conversations": conversations})
    assert watch_costs.judged_a_day(use) == pytest.approx(judged)


WINDOWS = 2 * 30 * 288


def test_a_conversation_is_put_once_for_each_batch_and_once_when_it_is_closed():
    assert priced(s3_put_million=1e6) == BATCHES + SESSIONS + WINDOWS
    assert priced(s3_get_million=1e6) == BATCHES + JUDGED + 4 * WINDOWS


def test_rows_are_written_for_each_batch_session_and_judgment_and_for_each_window():
    assert priced(write_million=1e6) == 2 * BATCHES + 4 * SESSIONS + JUDGED + WINDOWS * 50


def test_the_judges_model_is_paid_by_the_token():
    items = {item.name: item for item in watch_costs.of_watch(USE, FREE)}
    judge = items["the judge's model"]
    assert judge.number == pytest.approx(JUDGED)
    assert judge.usd == pytest.approx(JUDGED * (4000 * 3 + 400 * 15) / 1e6)


def test_series_are_counted_by_version_type_and_tool_and_never_by_type_and_tool():
    of_version = 4 + 5 * 4 + 3 * 6
    assert watch_costs.metrics_of(USE) == 9 + 2 * (11 + of_version)
    two = USE.model_copy(update={"versions": 2})
    assert watch_costs.metrics_of(two) == 9 + 2 * (11 + 2 * of_version)


@pytest.mark.parametrize(
    ("series", "usd"),
    [
        (100, 30),
        (10_000, 3_000),
        (10_001, 3_000.10),
        (250_000, 27_000),
        (1_000_000, 64_500),
        (1_000_100, 64_502),
    ],
)
def test_each_step_of_the_price_is_paid_for_the_series_within_it(series, usd):
    assert watch_costs.metrics_usd(series) == pytest.approx(usd)


def test_fifty_agents_have_the_series_and_the_bill_that_are_told():
    fifty = WatchUse(conversations=1, agents=50)
    usd = {item.name: item.usd for item in watch_costs.of_watch(fifty)}
    assert watch_costs.metrics_of(fifty) == 9 + 50 * 111
    assert usd["metrics"] == pytest.approx(1667.70)
    assert usd["alarms"] == pytest.approx(0.8 + 50 * (0.7 + 0.5))
    assert usd["dashboards"] == pytest.approx(51 * 3)


def test_what_depends_on_conversations_alone_grows_with_them():
    """And what does not, stays: metrics, alarms, dashboards and ticks."""
    more = USE.model_copy(update={"conversations": 100 * USE.conversations})
    once = {item.name: item.usd for item in watch_costs.of_watch(USE)}
    often = {item.name: item.usd for item in watch_costs.of_watch(more)}
    for name in ("IngestSpans", "S3, stored", "DynamoDB, stored"):
        assert often[name] == pytest.approx(100 * once[name]), name
    for name in ("metrics", "alarms", "dashboards", "Step Functions, ticks"):
        assert often[name] == once[name], name


def test_the_command_tells_the_bill_to_people_and_machines():
    done = CliRunner().invoke(
        app, ["cost", "online", "--conversations", "24000", "--agents", "2", "--json"]
    )
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["usd"] == pytest.approx(sum(item["usd"] for item in told["items"]), abs=1e-4)
    assert told["judged_a_day"] == pytest.approx(12 * 24 * 2 * 6)
    assert "prices of 2026-09-26" in done.stderr


def test_a_share_above_one_is_refused():
    done = CliRunner().invoke(app, ["cost", "online", "--conversations", "10", "--base", "1.5"])
    assert done.exit_code == 2
