"""`driftgate init`: the files of a new agent, which can be run at once."""

import re
from contextlib import suppress
from importlib.resources import files as resources
from pathlib import Path
from typing import Annotated

import typer

from driftgate.cli import console, options
from driftgate.errors import BadInput
from driftgate.schemas.datasets import DatasetHeader
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
SERVED = {  # for an agent that there is; its tools' contracts come from where those are served
    "agent.yaml": "server.yaml",
    ".github/workflows/driftgate.yml": "workflow.yml",
    ".gitignore": "gitignore",
}
CONTRACT = """\
# What the tool was listed as. Its mock answers what a case's world says under answers/{tool}:
# right for a start. How it can answer from data that all versions of the tool share, and
# so find out what a changed tool breaks: docs/agents.md, Tool contracts.
"""


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write it.")] = Path(),
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The agent's name; default: the folder's.")
    ] = "",
    from_mcp: Annotated[
        str | None,
        typer.Option(metavar="URL", help="For an agent that there is: where its tools are served."),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: VALUE'", help="To send there, as authorization; repeatable."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write a manifest, three cases, a tool contract, a small agent and a CI job for a new agent.

    With --from-mcp, for an agent that there is already: a manifest, a contract for each tool that
    is listed there, and the CI job; the cases are yours to write.
    Nothing that is there is written over. The agent needs no model and no key.
    """
    name = _name(name, folder)
    texts = _starter(FILES, name) if from_mcp is None else _served(name, from_mcp, header or [])
    own = [own for own in OWN if any(path == own or path.startswith(f"{own}/") for path in texts)]
    if there := [folder / path for path in own if (folder / path).exists()]:
        raise BadInput(f"{there[0]} is there already; init writes over nothing")
    if (folder / ".gitignore").exists():
        del texts[".gitignore"]
        console.say(f"note: add .driftgate/ and report/ to {folder / '.gitignore'}")
    _write(folder, texts)
    for path in texts:
        console.say(f"wrote {folder / path}")
    if from_mcp is None:
        _say_what_is_next(folder, name)
    else:
        console.say("\nnext: say in agent.yaml how your server is started, and write a few cases")
        console.say(f"into {folder / 'dataset' / 'cases.jsonl'}")
    if as_json:
        console.emit({"agent": name, "files": [str(folder / path) for path in texts]})


def _name(text: str, folder: Path) -> str:
    """The name that is wanted, or one made of the folder's."""
    name = text or re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:63]
    try:
        return DatasetRef(name=name or NAME, version="1.0.0").name
    except ValueError as error:
        raise BadInput(
            f"--name: wanted small letters, digits, - and _, as in {NAME}, got {text!r}"
        ) from error


def _starter(files: dict[str, str], name: str) -> dict[str, str]:
    """What is to be written, by path."""
    starter = resources("driftgate.cli") / "starter"
    return {
        path: starter.joinpath(source).read_text("utf-8").replace(NAME, name)
        for path, source in files.items()
    }


def _served(name: str, url: str, headers: list[str]) -> dict[str, str]:
    """The same for an agent whose tools are served there."""
    from driftgate.adapters import files, mcp_tools

    drafts = mcp_tools.read(url, dict(map(_header, headers)))
    for contract, left_out in drafts:
        for place in left_out:
            console.say(f"note: {contract.tool}: {place}: no mock checks that; left out")
    effects = {contract.tool: contract.effect for contract, _ in drafts}
    dataset = DatasetHeader(
        name=name, version="1.0.0", owner="me", changelog="The first cases.", tools=effects
    )
    return {
        **_starter(SERVED, name),
        **{
            f"contracts/{one.tool}.yaml": CONTRACT.format(tool=one.tool) + files.written(one)
            for one, _ in drafts
        },
        "dataset/dataset.yaml": files.written(dataset),
    }


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise BadInput(f"--header: wanted 'NAME: VALUE', got {text!r}")
    return name.strip(), value.strip()


def _write(folder: Path, contents: dict[str, str]) -> None:
    """Write all of the files or none, and none over another's."""
    texts = {folder / path: text for path, text in contents.items()}
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
