"""What differs between two agent versions: the first question of whoever reads a BLOCK."""

from collections.abc import Iterator

from driftgate.schemas.manifests import AgentVersion


def changes(before: AgentVersion, after: AgentVersion) -> Iterator[tuple[str, str | None]]:
    """Each part of a version, with a sentence if it changed and None if it did not."""
    old, new = before.manifest, after.manifest
    yield "model", _moved("model", old.model, new.model)
    yield "tool contracts", _contracts(before, after)
    changed = sorted(set(before.prompts) ^ set(after.prompts)) or [
        name for name, text in before.prompts.items() if after.prompts[name] != text
    ]
    yield "prompts", f"prompts changed: {', '.join(changed)}" if changed else None
    same_code = before.code_sha256 == after.code_sha256
    yield "code", None if same_code else "code changed"
    for part in ("target", "invocation", "limits", "policy"):
        same = getattr(old, part) == getattr(new, part)
        yield part, None if same else f"{part} changed"


def _moved(what: str, old: str, new: str) -> str | None:
    return None if old == new else f"{what} changed from {old} to {new}"


def _contracts(before: AgentVersion, after: AgentVersion) -> str | None:
    old = {contract.tool: contract for contract in before.contracts}
    new = {contract.tool: contract for contract in after.contracts}
    parts = [
        f"contract {tool} changed from {old[tool].version} to {new[tool].version}"
        for tool in sorted(old.keys() & new.keys())
        if old[tool] != new[tool]
    ]
    parts += [f"tool {tool} is gone" for tool in sorted(old.keys() - new.keys())]
    parts += [f"tool {tool} is new" for tool in sorted(new.keys() - old.keys())]
    return "; ".join(parts) or None
