"""On AWS a log line in the embedded metric format is metric data too; to the emulator it is text.

The emulator also loses points when functions publish while a request is answered.
"""

import json
import logging
import time
from typing import Any

from ministack.services import cloudwatch, cloudwatch_logs

OLDEST_S = 14 * 24 * 3600
LATEST_S = 2 * 3600
MAX_METRICS = 100  # of a directive, and values of a metric
MAX_DIMENSIONS = 30
log = logging.getLogger("driftgate.emulator")


def apply() -> None:
    original = cloudwatch_logs._append_log_events
    code = original.__code__
    assert code.co_varnames[: code.co_argcount] == ("stream", "events"), "it takes something else"
    assert "_aws" not in code.co_consts, "log lines now become metrics"
    assert "empty_keys" in cloudwatch._evict_old_metrics.__code__.co_varnames, (
        "old points are now removed in another way"
    )

    def append(stream: dict[str, Any], events: list[dict[str, Any]]) -> None:
        original(stream, events)
        for event in events:
            publish(event["message"])

    cloudwatch_logs._append_log_events = append
    cloudwatch._evict_old_metrics = evict
    cloudwatch._metric_bucket = lambda key: cloudwatch._metrics.setdefault(key, [])


def evict() -> None:
    """Remove what is too old from the very lists that others append to."""
    oldest = time.time() - OLDEST_S
    for points in cloudwatch._metrics.values():
        if points and points[0]["Timestamp"] < oldest:
            points[:] = [point for point in points if point["Timestamp"] >= oldest]


def publish(message: str) -> None:
    if '"_aws"' not in message:
        return
    try:
        document = json.loads(message)
        header = document["_aws"]
        at = float(header["Timestamp"]) / 1000
        data = [
            (directive["Namespace"], metric, dimensions)
            for directive in header["CloudWatchMetrics"]
            for metric in limited(directive["Metrics"], MAX_METRICS)
            for dimensions in read_dimensions(directive, document)
        ]
        values = {metric["Name"]: read_values(document[metric["Name"]]) for _, metric, _ in data}
    except (KeyError, TypeError, ValueError) as error:
        log.warning("metrics in a log line are malformed, nothing is published: %r", error)
        return
    now = time.time()
    if not now - OLDEST_S <= at <= now + LATEST_S:
        log.warning("metrics in a log line are too old or too new, nothing is published")
        return
    for namespace, metric, dimensions in data:
        name, unit = metric["Name"], metric.get("Unit", "None")
        cloudwatch._store_datum(
            namespace, name, dimensions, at, unit, None, values[name], None, None
        )


def read_dimensions(directive: dict[str, Any], document: dict[str, Any]) -> list[dict[str, str]]:
    """The dimensions with their values, for each set of them; no set is one of no dimensions."""
    sets = [
        {name: document[name] for name in limited(names, MAX_DIMENSIONS)}
        for names in directive.get("Dimensions") or [[]]
    ]
    for dimensions in sets:
        for name, value in dimensions.items():
            if not isinstance(value, str) or not value:
                raise ValueError(f"dimension {name}: wanted a text, got {value!r}")
    return sets


def read_values(given: Any) -> list[float]:
    values = limited(given if isinstance(given, list) else [given], MAX_METRICS)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"wanted a number, got {value!r}")
    return values


def limited(values: list[Any], limit: int) -> list[Any]:
    if len(values) > limit:
        raise ValueError(f"wanted at most {limit}, got {len(values)}")
    return values
