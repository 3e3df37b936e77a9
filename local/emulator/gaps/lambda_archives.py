"""The emulator unpacks a function's code and layers anew for every worker; AWS mounts them, so a
cold start does not pay for the size of a layer."""

import hashlib
import tempfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack.core import lambda_runtime

_unpacking = threading.Lock()


class MountedArchive(zipfile.ZipFile):
    """An archive that is unpacked once; extracting it again makes a link to what there is.

    Workers share the folder, so bytecode that one has compiled serves the others. They could also
    write to each other's code there, where AWS would refuse; our handlers don't.
    """

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        assert path, "the emulator now unpacks archives into its own folder"
        assert self.filename, "the emulator now unpacks archives from memory"
        assert members is None, "the emulator now unpacks archives in part"
        digest = hashlib.sha256(Path(self.filename).read_bytes()).hexdigest()
        unpacked = Path(tempfile.gettempdir(), "archives", digest)
        with _unpacking:
            if not unpacked.exists():
                partial = unpacked.with_suffix(".partial")
                super().extractall(partial)
                partial.rename(unpacked)
        target = Path(path)
        target.rmdir()  # the emulator has just made it, empty
        target.symlink_to(unpacked)


def apply() -> None:
    assert lambda_runtime.zipfile is zipfile, "workers no longer unpack with zipfile"
    lambda_runtime.zipfile = SimpleNamespace(
        ZipFile=MountedArchive,
        BadZipFile=zipfile.BadZipFile,
        LargeFileError=zipfile.LargeZipFile,
        LargeZipFile=zipfile.LargeZipFile,
    )
