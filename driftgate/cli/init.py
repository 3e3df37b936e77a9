"""`driftgate init`: the files of a new agent, which can be run at once."""

import re
from contextlib import suppress
from importlib.resources import files as resources
from pathlib import Path
from typing import Annotated

import typer

from driftgate.cli import console, options
from driftgate.errors import BadInput
from driftgate.schemas.manifests import DatasetRef

NAME = "my-agent"  # of the agent and its dataset in the starter's files
FILES = {  # what is written: the file of the starter
    "agent.yaml": "agent.yaml",
    "agent.py": "agent.py",
    "contracts/get_order.yaml": "contracts/get_order.yaml",
    "dataset/dataset.yaml": "dataset/dataset.yaml",
    "dataset/cases.jsonl": "dataset/cases.jsonl",
    ".github/workflows/driftgate.yml": "workflow.yml",
    ".gitignore": "gitignore",
}
OWN = ("agent.yaml", "agent.py", "contracts", "dataset", ".github/workflows/driftgate.yml")


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write it.")] = Path(),
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The agent's name; default: the folder's.")
    ] = "",
    as_json: options.Json = False,
) -> None:
    """Write a manifest, three cases, a tool contract, a small agent and a CI job for a new agent.

    Nothing that is there is written over. The agent needs no model and no key.
    """
    name = _name(name, folder)
    if there := [folder / own for own in OWN if (folder / own).exists()]:
        raise BadInput(f"{there[0]} is there already; init writes over nothing")
    wanted = dict(FILES)
    if (folder / ".gitignore").exists():
        del wanted[".gitignore"]
        console.say(f"note: add .driftgate/ and report/ to {folder / '.gitignore'}")
    _write(folder, wanted, name)
    for path in wanted:
        console.say(f"wrote {folder / path}")
    _say_what_is_next(folder, name)
    if as_json:
        console.emit({"agent": name, "files": [str(folder / path) for path in wanted]})


def _name(text: str, folder: Path) -> str:
    """The name that is wanted, or one made of the folder's."""
    name = text or re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:63]
    try:
        return DatasetRef(name=name or NAME, version="1.0.0").name
    except ValueError as error:
        raise BadInput(
            f"--name: wanted small letters, digits, - and _, as in {NAME}, got {text!r}"
        ) from error


def _write(folder: Path, wanted: dict[str, str], name: str) -> None:
    """Write all of the files or none, and none over another's."""
    starter = resources("driftgate.cli") / "starter"
    texts = {
        folder / path: starter.joinpath(source).read_text("utf-8").replace(NAME, name)
        for path, source in wanted.items()
    }
    parents = {parent for path in texts for parent in path.parents if not parent.exists()}
    written = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:  # fails if somebody was first
                written.append(path)
                file.write(text)
    except OSError as error:
        for path in written:
            path.unlink()
        for parent in sorted(parents, key=lambda parent: -len(parent.parts)):
            with suppress(OSError):  # where somebody else has written meanwhile
                parent.rmdir()
        raise BadInput(f"{error.filename}: {error.strerror}; nothing was written") from error


def _say_what_is_next(folder: Path, name: str) -> None:
    go = [] if folder.resolve() == Path.cwd() else [f"cd {folder}"]
    console.say("\nnext:")
    for command in (*go, "driftgate run --agent agent.yaml --dataset dataset"):
        console.say(f"  {command}")
    console.say("then make it the version that every later one is held to:")
    console.say("  driftgate dataset publish dataset")
    console.say("  driftgate agent publish agent.yaml")
    console.say(f"  driftgate agent promote {name}@1.0.0")
    console.say("change agent.py, raise the version in agent.yaml, and see it pass or be blocked:")
    console.say("  driftgate run --agent agent.yaml --rule point")
    console.say("three cases prove nothing; from forty on, leave out --rule point")
