"""What the shell offers for a word that is being typed, read from the home folder's names alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from driftgate.adapters.local import LocalRegistry


def agents(context: typer.Context, incomplete: str) -> list[str]:
    return _begin(incomplete, {key.split("/")[1] for key in _keys(context, "agent/")})


def agent_versions(context: typer.Context, incomplete: str) -> list[str]:
    return _begin(incomplete, map(_version, _keys(context, "agent/")))


def dataset_versions(context: typer.Context, incomplete: str) -> list[str]:
    return _begin(incomplete, map(_version, _keys(context, "dataset/")))


def manifests(context: typer.Context, incomplete: str) -> list[str]:
    """Stored versions, and the files of the current folder's way that may be manifests."""
    return [*agent_versions(context, incomplete), *_paths(incomplete, (".yaml", ".yml"))]


def datasets(context: typer.Context, incomplete: str) -> list[str]:
    """Published versions, and folders."""
    return [*dataset_versions(context, incomplete), *_paths(incomplete, ())]


def finished_runs(context: typer.Context, incomplete: str) -> list[str]:
    return _begin(incomplete, (key.removeprefix("run/") for key in _keys(context, "run/")))


def begun_runs(context: typer.Context, incomplete: str) -> list[str]:
    """Those of which there is a plan, finished or not."""
    plans = (_home(context) / "runs").glob("*/plan.json")
    return _begin(incomplete, (plan.parent.name for plan in plans))


def _home(context: typer.Context) -> Path:
    """Of the option before the command, which is not run for a completion."""
    root: Any = context.find_root()
    return Path(root.params.get("home") or ".driftgate")


def _keys(context: typer.Context, prefix: str) -> list[str]:
    return LocalRegistry(_home(context) / "registry").keys(prefix)


def _version(key: str) -> str:
    return "@".join(key.split("/")[1:3])


def _begin(incomplete: str, words: Any) -> list[str]:
    return sorted(word for word in words if word.startswith(incomplete))


def _paths(incomplete: str, endings: tuple[str, ...]) -> Iterator[str]:
    folder, slash, name = incomplete.rpartition("/")
    for path in sorted(Path(folder + slash or ".").glob(f"{name}*")):
        if path.is_dir():
            yield f"{folder}{slash}{path.name}/"
        elif path.suffix in endings and endings:
            yield f"{folder}{slash}{path.name}"
