"""One execution at a time makes the trials of a run: two would end each other's sessions.

A lease is a row of the registry that names an execution, and it holds as long as that execution
runs. So it ends with it, however it ends, and nobody has to release it: Step Functions ends an
execution that hangs, by its machine's TimeoutSeconds.
"""

from driftgate import registry
from driftgate.errors import LeaseHeld
from driftgate.ports import Clock, Executions, Registry
from driftgate.schemas.runs import Lease

ALIVE = ("RUNNING", "PENDING_REDRIVE")


def take(
    run_id: str, execution: str, stored: Registry, executions: Executions, clock: Clock
) -> bool:
    """Take the run's lease for an execution; False if it has it already.

    Raises:
        LeaseHeld: another execution has it, or was faster just now.
    """
    key = f"lease/{run_id}"
    before = stored.row(key)
    held = registry.read_row(Lease, key, before) if before else None
    if held is not None and held.execution == execution:
        return False
    if held is not None and _holds(held, execution, executions):
        raise LeaseHeld(
            f"run {run_id} is being made by execution {held.execution} since {held.taken_at}"
        )
    lease = Lease(run_id=run_id, execution=execution, taken_at=clock.now())
    if not stored.replace(key, lease.model_dump(mode="json"), expected=before):
        raise LeaseHeld(f"another execution took the lease of run {run_id} just now")
    return True


def _holds(held: Lease, execution: str, executions: Executions) -> bool:
    # The registry outlives a machine that is deleted and built anew, and all its executions.
    if _machine(held.execution) != _machine(execution):
        return False
    return runs_on(held, executions)


def runs_on(lease: Lease, executions: Executions) -> bool:
    """Whether the execution that took a lease has not ended yet."""
    found = executions.find(lease.execution)
    return found is not None and found.status in ALIVE


def _machine(execution: str) -> str:
    """An execution's ARN without its own name."""
    return execution.rpartition(":")[0]
