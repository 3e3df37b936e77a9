"""A run as a step of a job in GitHub Actions."""

import atexit
import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from driftgate.errors import BadInput

if TYPE_CHECKING:
    from driftgate.schemas.reports import Report

FILES = ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")


class Step:
    """The step that this process is. While it is open, the runner hears no commands in what is
    printed: neither in what an agent said nor in an error's message.
    """

    def __init__(self) -> None:
        if missing := [name for name in FILES if not os.environ.get(name)]:
            raise BadInput(
                f"--github: wanted a step of GitHub Actions, where {missing[0]} is set; it is not"
            )
        self._token = ""
        self._mute()
        atexit.register(self._unmute)  # after the last message, also that of an error

    def tell(self, page: Path, report: "Report", *, blocks: bool) -> None:
        """Write summary, outputs and the comment's body, and annotate the pull request."""
        from driftgate.report import github

        body = page.with_name("comment.md")
        body.write_text(github.comment(report), encoding="utf-8")
        _append("GITHUB_STEP_SUMMARY", page.with_name("report.md").read_text(encoding="utf-8"))
        values = {
            "verdict": report.verdict.outcome,
            "effective": report.verdict.effective,
            "run-id": report.verdict.run_id,
            "report": str(page),
            "comment": str(body),
        }
        _append("GITHUB_OUTPUT", github.outputs(values, secrets.token_hex(16)))
        self._command(github.annotations(report, blocks=blocks))

    def _command(self, lines: Iterable[str]) -> None:
        self._unmute()
        _write(*lines)
        self._mute()

    def _mute(self) -> None:
        self._token = secrets.token_hex(16)
        _write(f"::stop-commands::{self._token}")

    def _unmute(self) -> None:
        _write(f"::{self._token}::")


def _append(variable: str, text: str) -> None:
    with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
        file.write(text)


def _write(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()
