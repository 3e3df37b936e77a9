"""The ports on a directory: for the in-process run and the tests; the same keys as in the cloud."""

import fcntl
import getpass
import json
import os
import tempfile
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from driftgate import canonical, registry
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local_ledger import LocalLedger
from driftgate.errors import IntegrityFailed
from driftgate.ports import Artifacts, BlobKind, Registry
from driftgate.schemas.datasets import Dataset, DatasetVersion

LAPTOP: Final = "laptop"


class LocalArtifacts:
    """Objects as files under a root. A file appears whole or not at all, and only once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put_once(self, key: str, data: bytes) -> bool:
        return _create(self._root / key, data)

    def get(self, key: str) -> bytes | None:
        try:
            return (self._root / key).read_bytes()
        except FileNotFoundError:
            return None

    def put_all_once(self, items: Mapping[str, bytes]) -> None:
        for key, data in items.items():
            self.put_once(key, data)

    def get_all(self, keys: Iterable[str]) -> dict[str, bytes]:
        found = ((key, self.get(key)) for key in keys)
        return {key: data for key, data in found if data is not None}

    def keys(self, prefix: str) -> list[str]:
        folder = self._root / prefix.rpartition("/")[0]
        found = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
        names = (path.relative_to(self._root).as_posix() for path in found)
        return sorted(name for name in names if name.startswith(prefix))

    def overwrite(self, key: str, data: bytes) -> None:
        _replace(self._root / key, data)

    def remove(self, key: str) -> bool:
        return _remove(self._root / key)


class LocalRegistry:
    """Rows and blobs as files under a root."""

    where: Final = LAPTOP

    def __init__(self, root: Path) -> None:
        self._root = root

    def row(self, key: str) -> dict[str, Any] | None:
        path = self._row_path(key)
        try:
            row: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise IntegrityFailed(f"the stored row {path} is damaged: {error}") from error
        return row

    def rows(self, prefix: str) -> list[dict[str, Any]]:
        found = (self.row(key) for key in self.keys(prefix))
        return [row for row in found if row is not None]

    def keys(self, prefix: str) -> list[str]:
        keys = (_row_key(path.name) for path in (self._root / "rows").glob("*.json"))
        return sorted(key for key in keys if key.startswith(prefix))

    def put_new(self, key: str, row: dict[str, Any]) -> bool:
        return _create(self._row_path(key), canonical.dump(row))

    def replace(self, key: str, row: dict[str, Any], expected: dict[str, Any] | None) -> bool:
        with _locked(self._root / ".lock"):
            before = self.row(key)
            if before == row:
                return True
            if before != expected:
                return False
            if before is None:
                return self.put_new(key, row)
            _replace(self._row_path(key), canonical.dump(row))
            return True

    def remove(self, key: str) -> bool:
        with _locked(self._root / ".lock"):
            return _remove(self._row_path(key))

    def put_blob(self, kind: BlobKind, data: bytes) -> str:
        sha256 = canonical.sha256(data)
        _create(self._root / kind / sha256, data)
        return sha256

    def blob(self, kind: BlobKind, sha256: str) -> bytes | None:
        try:
            return (self._root / kind / sha256).read_bytes()
        except FileNotFoundError:
            return None

    def _row_path(self, key: str) -> Path:
        return self._root / "rows" / _row_name(key)


class Drafts:
    """A registry in which some versions are of this process only: read from files, not published.

    Datasets and agents that are put become drafts; all else goes to the registry behind. A draft
    never takes the place of a published version: the same version must have the same content.
    """

    def __init__(self, published: Registry) -> None:
        self._published = published
        self._rows: dict[str, dict[str, Any]] = {}
        self._blobs: dict[str, bytes] = {}

    @property
    def where(self) -> str:
        return self._published.where

    def row(self, key: str) -> dict[str, Any] | None:
        return self._rows.get(key) or self._published.row(key)

    def rows(self, prefix: str) -> list[dict[str, Any]]:
        own = [row for key, row in sorted(self._rows.items()) if key.startswith(prefix)]
        return [*own, *self._published.rows(prefix)]

    def keys(self, prefix: str) -> list[str]:
        own = {key for key in self._rows if key.startswith(prefix)}
        return sorted(own | set(self._published.keys(prefix)))

    def put_new(self, key: str, row: dict[str, Any]) -> bool:
        if not key.startswith(("dataset/", "agent/")):
            return self._published.put_new(key, row)
        return self.row(key) is None and self._rows.setdefault(key, row) is row

    def replace(self, key: str, row: dict[str, Any], expected: dict[str, Any] | None) -> bool:
        return self._published.replace(key, row, expected)

    def put_blob(self, kind: BlobKind, data: bytes) -> str:
        sha256 = canonical.sha256(data)
        self._blobs[sha256] = data
        return sha256

    def keep(self, run_id: str, runs: Artifacts) -> None:
        """Keep the drafts beside a run's other artifacts: it can be taken up without the files."""
        if self._rows:
            rows = {_row_name(key): canonical.dump(row) for key, row in self._rows.items()}
            runs.put_all_once(
                {f"runs/{run_id}/drafts/rows/{name}": data for name, data in rows.items()}
                | {f"runs/{run_id}/drafts/blobs/{s}": data for s, data in self._blobs.items()}
            )

    def take_up(self, run_id: str, runs: Artifacts) -> None:
        """Take the drafts that were kept with a run."""
        kept = runs.get_all(runs.keys(f"runs/{run_id}/drafts/"))
        for path, data in kept.items():
            kind, name = path.split("/")[-2:]
            if kind == "blobs":
                self._blobs[name] = data
                continue
            try:
                self._rows[_row_key(name)] = json.loads(data)
            except ValueError as error:
                raise IntegrityFailed(f"the stored {path} is damaged: {error}") from error

    def blob(self, kind: BlobKind, sha256: str) -> bytes | None:
        return self._blobs.get(sha256) or self._published.blob(kind, sha256)


class Laptop:
    """The folder that stands for an environment where none is deployed."""

    environment = LAPTOP

    def __init__(self, home: Path) -> None:
        self.registry = LocalRegistry(home / "registry")
        self.runs = LocalArtifacts(home)
        self.records = LocalArtifacts(home / "records")
        self.traces = LocalArtifacts(home)
        self.watched = LocalRegistry(home / "sessions")
        self.reviews = LocalRegistry(home / "reviews")
        self.ledger = LocalLedger(home / "ledger.sqlite")

    def caller(self) -> str:
        """The user's name. Nobody checks it."""
        return getpass.getuser()

    def publish_dataset(self, dataset: Dataset, author: str) -> DatasetVersion:
        return registry.publish_dataset(dataset, self.registry, SystemClock(), author=author)


def _row_name(key: str) -> str:
    return f"{urllib.parse.quote(key, safe='')}.json"


def _row_key(name: str) -> str:
    return urllib.parse.unquote(name.removesuffix(".json"))


def _create(path: Path, data: bytes) -> bool:
    """Write a new file whole; False when there is one. A crash leaves at most a hidden file."""
    if path.exists():
        return False
    temporary = _write_beside(path, data)
    try:
        os.link(temporary, path)  # fails if somebody was first, unlike a rename
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _replace(path: Path, data: bytes) -> None:
    _write_beside(path, data).replace(path)


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _write_beside(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    return Path(name)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
