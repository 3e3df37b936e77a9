"""What the ledgers have in common: the same tests for that of a folder and that in DynamoDB."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from driftgate import executions
from driftgate.schemas.ledger import LedgerQuery
from tests.executions import row


def made(n, **rest):
    at = f"2026-11-{1 + n // 10:02}T10:00:{n % 10:02}+00:00"
    return row("large", f"c{n}", at=at, **rest)


class LedgerContract:
    """What every ledger does; a test of one has the fixture `ledger`."""

    def test_two_workers_that_write_one_execution_leave_one_row(self, ledger):
        def write(n):
            return ledger.put_once(row("large", "x", at=f"2026-11-20T10:00:0{n}+00:00"))

        with ThreadPoolExecutor(8) as pool:
            new = list(pool.map(write, range(8)))
        assert sum(new) == 1
        assert len(list(executions.every(ledger, LedgerQuery()))) == 1

    def test_pages_go_by_time_the_latest_first_and_miss_nothing(self, ledger):
        rows = [made(n) for n in range(25)]
        assert ledger.put_all_once(rows) == 25
        first = ledger.page(LedgerQuery(), None, 10)
        assert [one.case_id for one in first.rows] == [f"c{n}" for n in range(24, 14, -1)]
        ledger.put_once(made(30))  # what comes meanwhile is of no later page
        second = ledger.page(LedgerQuery(), first.after, 10)
        third = ledger.page(LedgerQuery(), second.after, 10)
        seen = [one.case_id for page in (first, second, third) for one in page.rows]
        assert seen == [f"c{n}" for n in range(24, -1, -1)]
        assert third.after is None

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"model": "small"}, {"c2"}),
            ({"agent": "clerk"}, {"c3"}),
            ({"dataset": "shop@1.0.0", "model": "large"}, {"c4"}),
            ({"organisation": "acme", "tenant": "north"}, {"c5"}),
            ({"run_id": "other"}, {"c6"}),
            ({"case_id": "c1"}, {"c1"}),
            ({"since": "2026-11-01T10:00:05+00:00", "until": "2026-11-01T10:00:06+00:00"}, {"c5"}),
            ({"model": "none"}, set()),
        ],
    )
    def test_rows_are_found_by_what_they_are_of(self, ledger, query, found):
        ledger.put_all_once(
            [
                made(1),
                made(2).model_copy(update={"model": "small"}),
                made(3, agent="clerk"),
                made(4, dataset="shop@1.0.0"),
                made(5, organisation="acme", tenant="north"),
                made(6, run_id="other"),
            ]
        )
        rows = executions.every(ledger, LedgerQuery(**query), at_a_time=2)
        assert {one.case_id for one in rows} == found
