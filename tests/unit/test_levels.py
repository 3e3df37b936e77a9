"""What a window came to, as CloudWatch reads it from a log line."""

import json

from driftgate import names
from driftgate.schemas.online import Level
from lambdas import publish_window


def test_levels_have_the_dimensions_that_alarms_name_and_no_other(capsys, monkeypatch):
    """With the function's name among them no alarm would ever find its metric."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "publish_window")
    ours = {"agent": "ann", "monitor": "online-dev"}
    of_tool = {"agent": "ann", "version": "1.0.0", "tool": "get_balance"}
    publish_window.tell(
        (
            Level(name=names.CUSUM_RATIO, value=1.25, dimensions=ours),
            Level(name=names.QUALITY, value=0.5, dimensions=of_tool),
            Level(name=names.WINDOWS_PUBLISHED, value=1, unit="Count", dimensions=ours),
        )
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = {}
    for line in lines:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        (dimensions,) = directive["Dimensions"]
        assert directive["Namespace"] == "Driftgate"
        for metric in directive["Metrics"]:
            of = frozenset((name, line[name]) for name in dimensions)
            told[metric["Name"], of] = (line[metric["Name"]], metric["Unit"])
    assert told == {
        (names.CUSUM_RATIO, frozenset(ours.items())): ([1.25], "None"),
        (names.WINDOWS_PUBLISHED, frozenset(ours.items())): ([1.0], "Count"),
        (names.QUALITY, frozenset(of_tool.items())): ([0.5], "None"),
    }
    assert len(lines) == 2
