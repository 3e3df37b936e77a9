"""Named emulators side by side, each a process group of its own on free loopback ports."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from driftgate.errors import BadInput, InfrastructureFailed
from driftgate.schemas.record import Name, Record

ROOT = Path(__file__).parents[1]
EMULATOR_PYTHON = ROOT / ".venvs" / "emulator" / "bin" / "python"
WORKER_PYTHON = ROOT / ".venvs" / "worker" / "bin" / "python"
SERVE = "local.emulator.serve"
STANDINS = ROOT / "local" / "standins" / "serve.py"
STANDINS_COMMAND = [sys.executable, "-m", "local.standins.serve"]
DEFAULT = "default"
ACCOUNT = "000000000000"
REGION = "us-east-1"
KEY = "test"  # the emulator's root, whose secret is the same
NO_PROFILE = {  # as botocore wants it: name in files, name in the environment, value, conversion
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
START_S = 60.0
STOP_S = 5.0
LOG_LINES = 15
BLIND = {  # boto3 is to find no profile and no metadata service
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
# What the emulator has not.
STOOD_IN = (
    *("bedrock-agentcore", "bedrock-agentcore-control", "bedrock-runtime"),
    "comprehend",  # of which no emulator finds anything
)
# All else in the user's environment stays away from the emulator, and so from handlers: above all
# AWS credentials and endpoints.
INHERITED = ("PATH", "HOME", "LANG", "TZ")


class Instance(Record):
    """A running emulator, as `instance.json` has it."""

    name: Name
    pid: int = 0
    port: int
    endpoint_url: str
    region: str
    account: str
    auth: bool
    standins_pid: int | None = None
    standins_url: str | None = None
    started_at: str

    def environment(self) -> dict[str, str]:
        """What an AWS SDK needs in its environment to come here."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            **_standin_urls(self.standins_url),
        }

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client that knows nothing of the user's profiles."""
        standin = service in STOOD_IN and self.standins_url
        with _making:  # a session is not made for several threads, its clients are
            return _session(self.region).client(
                service, endpoint_url=standin or self.endpoint_url, **options
            )


class Instances:
    """The emulators of one home folder."""

    def __init__(self, home: Path) -> None:
        self._root = home.absolute() / "local"

    def start(self, name: str, *, auth: bool = False) -> tuple[Instance, bool]:
        """Start an emulator and wait until it answers.

        Returns:
            The instance, and whether it is new: one that runs is left as it is.
        """
        folder = self._folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "start.lock"):
            running = self.find(name)
            if running is not None:
                if running.auth != auth:
                    raise BadInput(
                        f"instance {name} runs {_with(running.auth)} authorization,"
                        f" wanted it {_with(auth)}: stop it first"
                    )
                return running, False
            _clear(folder)
            try:
                return _start(folder, auth), True
            except BaseException:
                _clear(folder)
                raise

    def find(self, name: str) -> Instance | None:
        """The instance, if it runs. What a killed one has left behind does not count."""
        folder = self._folder(name)
        if not _is_held(folder / "emulator.lock"):
            return None
        try:
            return Instance.model_validate_json((folder / "instance.json").read_bytes())
        except (FileNotFoundError, ValidationError):  # it is just starting
            return None

    def get(self, name: str) -> Instance:
        found = self.find(name)
        if found is None:
            raise BadInput(f"no instance {name} is running: driftgate local start --name {name}")
        return found

    def running(self) -> list[Instance]:
        names = sorted(path.parent.name for path in self._root.glob("*/instance.json"))
        return [found for found in map(self.find, names) if found is not None]

    def stop(self, name: str) -> bool:
        """End the emulator with its Lambda workers and stand-ins; False if none was running."""
        folder = self._folder(name)
        if not folder.exists():
            return False
        with _locked(folder / "start.lock"):
            running = self.find(name)
            _clear(folder)
            return running is not None

    def reset(self, name: str) -> Instance:
        """Empty the emulator of all resources, and start its stand-ins anew."""
        self.get(name)  # a name that was never started has no folder
        folder = self._folder(name)
        with _locked(folder / "start.lock"):
            instance = self.get(name)
            request = urllib.request.Request(  # noqa: S310  it is our own, on loopback
                f"{instance.endpoint_url}/_ministack/reset", method="POST"
            )
            try:
                with urllib.request.urlopen(request, timeout=START_S):  # noqa: S310
                    pass
            except OSError as error:
                raise InfrastructureFailed(f"instance {name} can't be reset: {error}") from error
            _end(folder / "standins.lock")  # they keep the deployment that they found
            return _start_standins(folder, instance)

    def log_path(self, name: str) -> Path:
        return self._folder(name) / "emulator.log"

    def _folder(self, name: str) -> Path:
        try:
            return self._root / TypeAdapter(Name).validate_python(name)
        except ValidationError as error:
            raise BadInput(f"instance: wanted a name as in {DEFAULT!r}, got {name!r}") from error


_making = threading.Lock()


@cache
def _session(region: str) -> Any:
    import boto3  # here, as starting and stopping need none of it
    import botocore.session

    blind = botocore.session.Session(session_vars=NO_PROFILE)
    return boto3.Session(KEY, KEY, region_name=region, botocore_session=blind)


def _start(folder: Path, auth: bool) -> Instance:
    for python in (EMULATOR_PYTHON, WORKER_PYTHON):
        if not python.exists():
            raise InfrastructureFailed(f"{python} is not there: run `make setup` first")
    port, standins_port = _free_ports(2)
    instance = Instance(
        name=folder.name,
        port=port,
        endpoint_url=f"http://127.0.0.1:{port}",
        region=REGION,
        account=ACCOUNT,
        auth=auth,
        standins_url=f"http://127.0.0.1:{standins_port}" if STANDINS.exists() else None,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    temporary = folder / "tmp"
    temporary.mkdir()
    command = [str(EMULATOR_PYTHON), "-m", SERVE]
    emulator = _spawn(command, _emulator_environment(instance, temporary), folder / "emulator")
    health = f"{instance.endpoint_url}/_ministack/health"
    _wait(emulator, lambda: _answers(health), folder / "emulator")
    instance = instance.model_copy(update={"pid": emulator.pid})
    _write(folder, instance)
    return _start_standins(folder, instance)


def _start_standins(folder: Path, instance: Instance) -> Instance:
    """Start them at the port that the emulator and its functions were told."""
    if instance.standins_url is None:
        return instance
    port = int(instance.standins_url.rpartition(":")[2])
    command = [*STANDINS_COMMAND, "--instance", str(folder / "instance.json"), "--port", str(port)]
    standins = _spawn(command, _standins_environment(), folder / "standins")
    _wait(standins, lambda: _accepts(port), folder / "standins")
    instance = instance.model_copy(update={"standins_pid": standins.pid})
    _write(folder, instance)
    return instance


def _clear(folder: Path) -> None:
    """End what runs here, also what an interrupted start has left, and forget it."""
    for process in ("standins", "emulator"):
        _end(folder / f"{process}.lock")
    (folder / "instance.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "tmp", ignore_errors=True)


def _emulator_environment(instance: Instance, temporary: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {
        **kept,
        **_standin_urls(instance.standins_url),
        "GATEWAY_PORT": str(instance.port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": instance.account,
        "MINISTACK_REGION": instance.region,
        "AUTH": str(instance.auth).lower(),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "DRIFTGATE_WORKER_PYTHON": str(WORKER_PYTHON),
        "TMPDIR": str(temporary),
        "PYTHONUTF8": "1",
        **BLIND,  # workers inherit it
    }


def _standin_urls(url: str | None) -> dict[str, str]:
    """What sends boto3 to the stand-ins."""
    names = (service.upper().replace("-", "_") for service in STOOD_IN)
    return {f"AWS_ENDPOINT_URL_{name}": url for name in names} if url else {}


def _standins_environment() -> dict[str, str]:
    """All that the user has but AWS: a profile that is missing breaks reading botocore's models."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **BLIND}


def _spawn(
    command: list[str], environment: dict[str, str], path: Path
) -> "subprocess.Popen[bytes]":
    """Start a process in a group of its own, which holds a lock as long as it lives.

    A process number says little, as it is given out again; nobody can hold the lock but this
    process, and its end sets the lock free however it comes. The number stands in the lock file.
    """
    with path.with_suffix(".lock").open("w") as lock, path.with_suffix(".log").open("wb") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(  # noqa: S603  our own modules
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock.fileno(),),
        )
        lock.write(str(process.pid))
    _spawned[process.pid] = process
    return process


_spawned: dict[int, "subprocess.Popen[bytes]"] = {}  # they outlive us, or are waited for in _end


def _wait(process: "subprocess.Popen[bytes]", is_ready: Callable[[], bool], path: Path) -> None:
    end = time.monotonic() + START_S
    while not is_ready():
        if process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
            continue
        code = process.poll()
        fault = f"did not answer within {START_S:.0f} s" if code is None else f"ended with {code}"
        log = path.with_suffix(".log")
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        told = "".join(f"\n  {line}" for line in last)
        raise InfrastructureFailed(f"the {path.name} {fault}; {log} ends with:{told}")


def _end(lock: Path) -> None:
    """End the process group of the lock's holder: politely, then not."""
    if not lock.exists():
        return
    held, number = _is_held(lock), lock.read_text()
    if not number:  # nobody ever got so far, or it is a start that was killed in the middle
        return
    group = int(number)
    if held:
        _signal(group, signal.SIGTERM)
        end = time.monotonic() + STOP_S
        while _is_held(lock) and time.monotonic() < end:
            time.sleep(0.02)
        _signal(group, signal.SIGKILL)  # also workers that did not hear of it
    if group in _spawned:
        _spawned.pop(group).wait()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS: not permitted if all are zombies
        os.killpg(group, number)


def _is_held(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  on loopback
            return bool(answer.status == 200)
    except OSError:
        return False


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _write(folder: Path, instance: Instance) -> None:
    whole = folder / ".instance.json"
    whole.write_text(instance.model_dump_json(indent=2) + "\n", encoding="utf-8")
    whole.replace(folder / "instance.json")


def _with(auth: bool) -> str:
    return "with" if auth else "without"
