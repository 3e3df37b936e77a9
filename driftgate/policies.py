"""Policies: the environment's thresholds, which a manifest may only tighten."""

from driftgate.errors import BadInput
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.policies import Policy


def tightened(policy: Policy, manifest: Manifest) -> Policy:
    """Apply a manifest's thresholds. Raises BadInput for one looser than the environment's."""
    changes = {name: v for name, v in manifest.policy.model_dump().items() if v is not None}
    for name, value in changes.items():
        allowed = getattr(policy, name)
        looser = allowed is not None and (
            value > allowed if name.startswith("max_") else value < allowed
        )
        if looser:
            raise BadInput(
                f"{manifest.agent} {manifest.version}: policy.{name}: the environment has "
                f"{allowed}, a manifest may only tighten it, got {value}"
            )
    return policy.model_copy(update=changes)
