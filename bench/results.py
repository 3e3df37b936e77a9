"""What demos and benchmarks have in common: figures, checks against a bound, a table and a file."""

import json
import operator
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}


class Results:
    """Figures and checks of one demo or benchmark, kept in build/{kind}/{name}.json."""

    def __init__(self, kind: str, name: str) -> None:
        self._path = Path("build") / kind / f"{name}.json"
        self._figures: dict[str, Any] = {}
        self._checks: list[dict[str, Any]] = []

    def figure(self, name: str, value: Any) -> None:
        self._figures[name] = value

    def check(self, name: str, value: Any, compare: str, bound: Any) -> None:
        """Hold a value against the bound that was promised, not against what it happens to be."""
        ok = COMPARE[compare](value, bound)
        self._checks.append(
            {"name": name, "value": value, "bound": f"{compare} {bound}", "ok": bool(ok)}
        )

    def finish(self) -> None:
        """Print the table, write the file, and exit: 1 if a check failed, or none was made."""
        console = Console(highlight=False)
        figures = Table("figure", "value", box=None, pad_edge=False)
        for name, value in self._figures.items():
            figures.add_row(name, _short(value))
        checks = Table("check", "value", "bound", "", box=None, pad_edge=False)
        for check in self._checks:
            mark = "ok" if check["ok"] else "FAILED"
            checks.add_row(check["name"], _short(check["value"]), check["bound"], mark)
        console.print(figures, "", checks, sep="\n")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = {"figures": self._figures, "checks": self._checks}
        self._path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        console.print(f"\n{self._path}")
        sys.exit(0 if self._checks and all(check["ok"] for check in self._checks) else 1)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
