"""Templates and drawings, read so that a promise about them fits on a line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DRAWINGS = Path(__file__).parents[2] / "statemachines"
STACKS = ("Data", "Evaluation", "Online", "Monitoring")
OF_FUNCTIONS = ("Evaluation", "Online")
MACHINES = sorted(file.name.removesuffix(".asl.json") for file in DRAWINGS.glob("*.asl.json"))


@dataclass(frozen=True)
class Synthesized:
    """The stacks of one environment: what was written, and how to read it."""

    folder: Path
    environment: str

    def resources(self, stack: str, *kinds: str) -> dict[str, dict[str, Any]]:
        """Logical id -> resource, of these types or of all."""
        template = self.folder / f"Driftgate-{self.environment}-{stack}.template.json"
        found: dict[str, dict[str, Any]] = json.loads(template.read_text())["Resources"]
        return {id: r for id, r in found.items() if not kinds or r["Type"] in kinds}

    def policies(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every statement of every policy in the templates, with the id of what it stands in."""
        for stack in STACKS:
            for id, resource in self.resources(stack).items():
                for document in _documents(resource["Properties"]):
                    yield from ((id, statement) for statement in document["Statement"])

    def functions(self) -> dict[str, dict[str, Any]]:
        """Name, as in the handler's module -> properties."""
        return {
            function["Properties"]["Handler"].split(".")[1]: function["Properties"]
            for stack in OF_FUNCTIONS
            for function in self.resources(stack, "AWS::Lambda::Function").values()
        }

    def rights(self, function: str) -> set[tuple[str, str]]:
        """What a function's role may do: (action, resource), the resource as `flat` writes it."""
        role = _role(self.functions()[function]["Role"])
        return {
            (action, flat(resource))
            for stack in OF_FUNCTIONS
            for policy in self.resources(stack, "AWS::IAM::Policy").values()
            if role in {_role(r) for r in policy["Properties"]["Roles"]}
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            for action in listed(statement["Action"])
            for resource in listed(statement["Resource"])
        }


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def flat(value: Any) -> str:
    """A value with its references named by what they refer to: `Records091F6ECA/datasets/*`."""
    if isinstance(value, str):
        return value
    ((kind, content),) = value.items()
    if kind == "Fn::Join":
        return str(content[0]).join(flat(part) for part in content[1])
    if kind == "Fn::GetAtt":
        return str(content[0])
    if kind == "Fn::ImportValue":  # Driftgate-prod-Data:ExportsOutputFnGetAttRunsE45A2291Arn9AFA…
        _, _, name = flat(content).partition("Fn" if "FnGetAtt" in flat(content) else "Ref")
        return name.removeprefix("GetAtt").rsplit("Arn", 1)[0]
    return str(content)


def _role(reference: Any) -> str:
    """The logical id of a role, however a template refers to it."""
    text = json.dumps(reference)
    return "Publisher" if "Publisher" in text and "ImportValue" in text else flat(reference)


def _documents(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        for inner in value.values():
            yield from _documents(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _documents(inner)


def machine(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DRAWINGS / f"{name}.asl.json").read_text())
    return found


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state with its name, those inside maps and branches too."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in [state.get("ItemProcessor"), *state.get("Branches", [])]:
            if inner:
                yield from states(inner)
