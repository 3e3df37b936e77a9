"""What it costs to watch production: per conversation, per judgment, and per series of a metric.

Every conversation is read, stored and looked at; a sample is put before the judge, whose model is
most of the bill. What CloudWatch Logs takes in is the agent's own and paid for already:
subscribing to it costs nothing. Series of metrics cost the same with one conversation as with a
million, so with many agents and few conversations they are the bill.
"""

from driftgate.schemas.costs import WatchItem, WatchPrices, WatchUse

PRICES = WatchPrices(
    effective="2026-09-26",
    source="AWS's pricing pages as quoted by others, us-east-1, without free tiers; check them "
    "for your region",
    lambda_million=0.20,
    lambda_gb_s=0.0000133334,  # arm64
    s3_put_million=5.0,
    s3_get_million=0.40,
    s3_gb_month=0.023,
    write_million=0.625,
    read_million=0.125,
    dynamodb_gb_month=0.25,
    express_million=1.0,
    express_gb_s=0.00001667,
    transition_million=25.0,
    metrics=((10_000, 0.30), (250_000, 0.10), (1_000_000, 0.05)),
    metric_beyond=0.02,
    alarm=0.10,
    composite_alarm=0.50,
    dashboard=3.0,
    log_gb=0.50,
)
DAYS = 30
DAY_S = 86_400
MILLION = 10**6
KB_OF_GB = 10**6

# What the steps do with a conversation; a test counts it. A fragment is a batch's part of it.
PUTS_OF_FRAGMENT, PUTS_OF_SESSION = 1, 1  # as it came; the redacted trace
GETS_OF_FRAGMENT, GETS_OF_JUDGED = 1, 1
PUTS_OF_WINDOW, GETS_OF_WINDOW = 1, 4  # what it came to; and what the one before it did
WRITES_OF_FRAGMENT = 2  # when it is due, the session
WRITES_OF_SESSION, WRITES_OF_JUDGED = 3, 1  # claimed, closed, sampled; judged
READS_OF_FRAGMENT = 1
READS_OF_SESSION, READS_OF_JUDGED = 2, 3  # claimed, feedback; judged before?, session, closed
ROW_KB = 2.1  # of all rows of a session; a window's are queried together
CLOSED_UNITS = 2  # a closed session with a dozen calls is over 1 KB
QUERIED_KB = 2.5  # of a session: due, closed twice, sampled, judged
ROWS_DAYS, TRACES_DAYS = 40, 30
TRACE_SHARE = 0.3  # of the spans' size that is left in a trace

# Of a window of one agent, in KB: the days from which is learned what is usual; these are read when
# sessions are closed, and when the window is published.
HISTORY_KB, HISTORY_DAYS = 50, 14
STEPS_OF_WINDOW = 3  # functions beside JudgeSession
TRANSITIONS_OF_TICK = 6

# Times and sizes of functions: assumptions, to be replaced by what an account measures.
INGEST_S, INGEST_GB = 0.1, 0.5  # of a batch
CLOSE_S, CLOSE_GB = 0.02, 1.0  # of a session, eight side by side
SAMPLE_S, SAMPLE_GB = 0.01, 0.5
JUDGE_S, JUDGE_GB = 5.0, 0.5  # it waits for the model
JUDGED_AT_A_TIME = 20
WINDOW_S, WINDOW_GB = 2.0, 1.0  # of a window's functions, whatever the traffic
EXPRESS_GB = 0.0625  # 64 MB, the least that is paid for
LOG_KB = 1.5  # of one call of a function: start, report, what it counts

METRICS_OF_AGENT = 11  # levels with {agent, monitor}
METRICS_OF_VERSION = METRICS_OF_TYPE = 4  # sessions, quality with its interval
METRICS_OF_TOOL = 6  # and its latency, twice
METRICS_OF_FUNCTIONS = 9
ALARMS_OF_AGENT, ALARMS_OF_PLATFORM = 7, 8  # single ones; two more each where asked for


def of_watch(use: WatchUse, prices: WatchPrices = PRICES) -> tuple[WatchItem, ...]:
    """The bill for a month of 30 days, item by item."""
    sessions = DAYS * use.conversations
    judged = DAYS * judged_a_day(use)
    batches = sessions * use.fragments
    windows = DAYS * DAY_S / use.window_s * use.agents
    return (
        *_functions(batches, sessions, judged, windows, prices),
        *_objects(use, batches, sessions, judged, windows, prices),
        *_rows(use, batches, sessions, judged, windows, prices),
        *_executions(use, judged, windows, prices),
        _judge(use, judged),
        *_seen(use, prices),
    )


def judged_a_day(use: WatchUse) -> float:
    """The base rate, raised to the floor and held to the ceiling of each task type."""
    per_hour = use.conversations / (24 * use.agents * use.task_types)
    wanted = max(use.base * per_hour, min(per_hour, use.floor_per_hour))
    return 24 * use.agents * use.task_types * min(wanted, use.ceiling_per_hour)


def metrics_of(use: WatchUse) -> int:
    """Series of metrics: by version, by version and type, by version and tool, never by both."""
    of_version = METRICS_OF_VERSION + use.task_types * METRICS_OF_TYPE + use.tools * METRICS_OF_TOOL
    return METRICS_OF_FUNCTIONS + use.agents * (METRICS_OF_AGENT + use.versions * of_version)


def metrics_usd(number: int, prices: WatchPrices = PRICES) -> float:
    """Each step of the price is paid for the series within it."""
    usd, before = 0.0, 0
    for up_to, price in prices.metrics:
        usd += max(0, min(number, up_to) - before) * price
        before = up_to
    return usd + max(0, number - before) * prices.metric_beyond


def _functions(
    batches: float, sessions: float, judged: float, windows: float, prices: WatchPrices
) -> list[WatchItem]:
    def item(name: str, calls: float, gb_s: float) -> WatchItem:
        usd = calls / MILLION * prices.lambda_million + gb_s * prices.lambda_gb_s
        return WatchItem(name=name, of="calls", number=calls, usd=usd)

    calls = windows * STEPS_OF_WINDOW
    of_windows = sessions * (CLOSE_S * CLOSE_GB + SAMPLE_S * SAMPLE_GB)
    logged_gb = (batches + judged + calls) * LOG_KB / KB_OF_GB
    return [
        item("IngestSpans", batches, batches * INGEST_S * INGEST_GB),
        item("functions of a window", calls, of_windows + windows * WINDOW_S * WINDOW_GB),
        item("JudgeSession", judged, judged * JUDGE_S * JUDGE_GB),
        WatchItem(name="functions' logs", of="GB", number=logged_gb, usd=logged_gb * prices.log_gb),
    ]


def _objects(
    use: WatchUse,
    batches: float,
    sessions: float,
    judged: float,
    windows: float,
    prices: WatchPrices,
) -> list[WatchItem]:
    puts = batches * PUTS_OF_FRAGMENT + sessions * PUTS_OF_SESSION + windows * PUTS_OF_WINDOW
    gets = batches * GETS_OF_FRAGMENT + judged * GETS_OF_JUDGED + windows * GETS_OF_WINDOW
    stored_gb = sessions / DAYS * TRACES_DAYS * use.kb * (1 + TRACE_SHARE) / KB_OF_GB
    return [
        WatchItem(
            name="S3, puts", of="requests", number=puts, usd=puts / MILLION * prices.s3_put_million
        ),
        WatchItem(
            name="S3, gets", of="requests", number=gets, usd=gets / MILLION * prices.s3_get_million
        ),
        WatchItem(name="S3, stored", of="GB", number=stored_gb, usd=stored_gb * prices.s3_gb_month),
    ]


def _rows(
    use: WatchUse,
    batches: float,
    sessions: float,
    judged: float,
    windows: float,
    prices: WatchPrices,
) -> list[WatchItem]:
    of_session = WRITES_OF_SESSION + CLOSED_UNITS - 1
    writes = batches * WRITES_OF_FRAGMENT + sessions * of_session + judged * WRITES_OF_JUDGED
    writes += windows * HISTORY_KB * use.versions
    reads = batches * READS_OF_FRAGMENT + sessions * READS_OF_SESSION + judged * READS_OF_JUDGED
    history_kb = HISTORY_DAYS * HISTORY_KB * use.versions
    reads += (sessions * QUERIED_KB + windows * 2 * history_kb) / 4
    stored_gb = sessions / DAYS * ROWS_DAYS * ROW_KB / KB_OF_GB
    return [
        WatchItem(
            name="DynamoDB, writes",
            of="units",
            number=writes,
            usd=writes / MILLION * prices.write_million,
        ),
        WatchItem(
            name="DynamoDB, reads",
            of="units",
            number=reads,
            usd=reads / MILLION * prices.read_million,
        ),
        WatchItem(
            name="DynamoDB, stored",
            of="GB",
            number=stored_gb,
            usd=stored_gb * prices.dynamodb_gb_month,
        ),
    ]


def _executions(
    use: WatchUse, judged: float, windows: float, prices: WatchPrices
) -> list[WatchItem]:
    transitions = windows / use.agents * TRANSITIONS_OF_TICK
    seconds = windows * WINDOW_S + judged * JUDGE_S / JUDGED_AT_A_TIME
    express = windows / MILLION * prices.express_million
    express += seconds * EXPRESS_GB * prices.express_gb_s
    return [
        WatchItem(
            name="Step Functions, ticks",
            of="transitions",
            number=transitions,
            usd=transitions / MILLION * prices.transition_million,
        ),
        WatchItem(name="Step Functions, windows", of="executions", number=windows, usd=express),
    ]


def _judge(use: WatchUse, judged: float) -> WatchItem:
    tokens_usd = (
        use.judge_input_tokens * use.judge_input_usd
        + use.judge_output_tokens * use.judge_output_usd
    )
    return WatchItem(
        name="the judge's model", of="judgments", number=judged, usd=judged * tokens_usd / MILLION
    )


def _seen(use: WatchUse, prices: WatchPrices) -> list[WatchItem]:
    metrics = metrics_of(use)
    alarms = ALARMS_OF_PLATFORM + use.agents * ALARMS_OF_AGENT
    usd = alarms * prices.alarm + use.agents * prices.composite_alarm
    dashboards = 1 + use.agents
    return [
        WatchItem(name="metrics", of="series", number=metrics, usd=metrics_usd(metrics, prices)),
        WatchItem(name="alarms", of="alarms", number=alarms + use.agents, usd=usd),
        WatchItem(
            name="dashboards",
            of="dashboards",
            number=dashboards,
            usd=dashboards * prices.dashboard,
        ),
    ]
