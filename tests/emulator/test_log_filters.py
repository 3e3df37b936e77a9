"""Log events that have one of several terms are found."""

import time

PATTERN = '?"session-1" ?"session-3"'


def found(cloud):
    logs = cloud.instance.client("logs")
    logs.create_log_group(logGroupName="filters")
    logs.create_log_stream(logGroupName="filters", logStreamName="s")
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": f"of session-{number}"} for number in (1, 2, 3)]
    logs.put_log_events(logGroupName="filters", logStreamName="s", logEvents=events)
    events = logs.filter_log_events(logGroupName="filters", filterPattern=PATTERN)["events"]
    return [event["message"] for event in events]


def test_either_term_will_do(cloud):
    assert found(cloud) == ["of session-1", "of session-3"]


def test_the_bare_emulator_finds_nothing(bare):
    assert found(bare) == []
