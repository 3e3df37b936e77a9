"""The report for a job of GitHub Actions: annotations, outputs, and the comment on a pull request.

The runner takes any line of a step's output for a command that begins with `::`, and agents write
what they like. So all text is escaped here as the runner reads it back.
"""

from collections.abc import Iterator, Mapping

from driftgate.report import markdown
from driftgate.report.text import visible
from driftgate.schemas.record import count
from driftgate.schemas.reports import Report
from driftgate.schemas.runs import Verdict

ANNOTATIONS = 10  # of each level that GitHub shows of a step
TEXT_CHARS = 1000  # of one annotation; GitHub cuts at 4 KB


def comment(report: Report) -> str:
    """The body of a comment: below GitHub's 65,536 characters, as markdown.render bounds it."""
    return f"{_mark(report)}\n{markdown.render(report)}"


def _mark(report: Report) -> str:
    """How a comment is found again: its first line, one for each suite."""
    suite = report.verdict.suite
    return "<!-- driftgate -->" if suite == "regression" else f"<!-- driftgate {suite} -->"


def annotations(report: Report, *, blocks: bool) -> Iterator[str]:
    """The verdict and the worst broken cases, as errors or (nothing is blocked) as warnings."""
    verdict = report.verdict
    level = "error" if blocks else "warning"
    broken = [story.outcome for story in report.stories if story.kind == "broken"]
    shown = broken[: ANNOTATIONS - 1]
    rest = len(broken) - len(shown)
    more = f" And {count(rest, 'more broken case')} in the report." if rest else ""
    if blocks or broken:
        yield command(
            level, f"driftgate{_of_suite(verdict)}: {verdict.outcome}", verdict.reason, more
        )
    for outcome in shown:
        critical = " (critical)" if outcome.critical else ""
        yield command(level, f"broken: {outcome.case_id}{critical}", outcome.reason)


def _of_suite(verdict: Verdict) -> str:
    return "" if verdict.suite == "regression" else f" ({verdict.suite})"


def command(name: str, title: str, text: str, ending: str = "") -> str:
    """A command of a workflow in one line, whatever its texts hold."""
    data = visible(text)
    data = data if len(data) <= TEXT_CHARS else f"{data[:TEXT_CHARS]} …"
    return f"::{name} title={_property(visible(title))}::{_data(data + ending)}"


def outputs(values: Mapping[str, str], delimiter: str) -> str:
    """Lines for the file GITHUB_OUTPUT. The delimiter is one that no value can foresee."""
    return "".join(f"{name}<<{delimiter}\n{v}\n{delimiter}\n" for name, v in values.items())


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
