"""The report as JUnit XML, for whatever shows tests: a case is a test, and so is a threshold.

Who reads it alone sees red exactly when the command's exit code is not 0. A case that broke within
what the thresholds allow is skipped, with its reason: the gate let it pass.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple
from xml.etree import ElementTree

from driftgate.report.text import visible
from driftgate.schemas.policies import PASSING
from driftgate.schemas.reports import CaseRow, Report
from driftgate.schemas.runs import Criterion, Verdict

REASON_CHARS = 2_000
COUNTS = {"failure": "failures", "error": "errors", "skipped": "skipped"}


class Mark(NamedTuple):
    """What became of a test that did not just pass."""

    kind: Literal["failure", "error", "skipped"]
    reason: str


class Test(NamedTuple):
    group: str
    name: str
    mark: Mark | None


def render(report: Report) -> str:
    verdict = report.verdict
    candidate = verdict.arms["candidate"]
    root = ElementTree.Element("testsuites", name=f"driftgate {candidate.agent}")
    suites = {
        "verdict": [Test("verdict", verdict.outcome, _verdict(verdict))],
        "thresholds": [
            Test("thresholds", c.label, _threshold(c, verdict)) for c in verdict.criteria
        ],
        "cases": list(_cases(report)),
    }
    for name, tests in suites.items():
        title = f"{candidate.agent} {candidate.version}: {name}"
        suite = ElementTree.SubElement(root, "testsuite", name=title, timestamp=report.finished_at)
        _count(suite, tests)
        for test in tests:
            _add(suite, f"{candidate.agent}.{test.group}", test)
    _count(root, [test for tests in suites.values() for test in tests])
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _count(element: ElementTree.Element, tests: list[Test]) -> None:
    element.set("tests", str(len(tests)))
    for kind, attribute in COUNTS.items():
        found = sum(1 for test in tests if test.mark and test.mark.kind == kind)
        element.set(attribute, str(found))


def _add(suite: ElementTree.Element, place: str, test: Test) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=place, name=visible(test.name))
    if test.mark:
        reason = visible(test.mark.reason[:REASON_CHARS])
        mark = ElementTree.SubElement(case, test.mark.kind, message=reason.partition("\n")[0])
        mark.text = reason


def _verdict(verdict: Verdict) -> Mark | None:
    if verdict.effective not in PASSING:
        kind: Literal["failure", "error"] = (
            "error" if verdict.effective == "INCONCLUSIVE" else "failure"
        )
        return Mark(kind, f"{verdict.outcome}: {verdict.reason}")
    if verdict.effective != verdict.outcome:
        return Mark("skipped", f"{verdict.outcome}, here {verdict.effective}: {verdict.reason}")
    return None


def _threshold(criterion: Criterion, verdict: Verdict) -> Mark | None:
    if criterion.ok:
        return None
    if criterion.ok is None:
        return Mark("skipped", str(criterion))
    return Mark("failure" if verdict.effective not in PASSING else "skipped", str(criterion))


def _cases(report: Report) -> Iterator[Test]:
    verdict = report.verdict
    reasons = {trial.case_id: trial.reason for trial in reversed(verdict.missing)}
    for outcome in (*verdict.broken, *verdict.failing):
        reasons[outcome.case_id] = outcome.reason
    for row in report.cases:
        mark = _case(row, reasons.get(row.case_id, ""), red=verdict.effective not in PASSING)
        yield Test(row.task_type, row.case_id, mark)


def _case(row: CaseRow, reason: str, *, red: bool) -> Mark | None:
    if row.kind == "missing":
        return Mark("error" if red else "skipped", f"missing: {reason}")
    if row.kind == "broken":
        return Mark("failure" if red else "skipped", f"broken: {reason}")
    if row.kind == "failing":
        new = row.baseline is None
        return Mark(
            "failure" if red and new else "skipped",
            f"{'failing' if new else 'failing, as in the baseline'}: {reason}",
        )
    return None
