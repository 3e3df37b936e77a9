"""The ledger's rows as files: CSV for a spreadsheet, which must not take a text for a formula, and
JSON lines with all there is.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from driftgate.report.text import visible
from driftgate.schemas.ledger import Execution

PLAIN = (
    *("at", "origin", "run_id", "agent", "version", "digest", "model", "dataset"),
    *("organisation", "tenant", "case_id", "task_type", "trial", "latency_s"),
    *("calls", "succeeded_calls", "failed_calls"),
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    *("cost_usd", "cost_basis", "cost_missing", "findings_count", "stop_reason", "error"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what spreadsheets start one with


def csv_of(rows: Sequence[Execution]) -> str:
    """A line for each row; an empty cell is what nobody knows."""
    metrics = sorted({metric for row in rows for metric in row.scores})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*PLAIN, "price", "tools", "findings", "limitations", *metrics, "trace", "key"])
    for row in rows:
        cells = [getattr(row, name) for name in PLAIN]
        price = row.price.model_dump_json(exclude_none=True) if row.price else None
        found = None if row.findings is None else [one.model_dump() for one in row.findings]
        cells += [price, " > ".join(row.tools), _json(found), _json(row.limitations)]
        cells += [row.score(metric) for metric in metrics]
        writer.writerow([_cell(cell) for cell in (*cells, row.trace, row.key)])
    return text.getvalue()


def jsonl_of(rows: Iterable[Execution]) -> Iterator[str]:
    for row in rows:
        yield row.model_dump_json() + "\n"


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would act on gets an apostrophe, which it takes for "this is text".

    Numbers are left alone: of ours none is negative.
    """
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(FORMULA) else text
