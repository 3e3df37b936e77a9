"""Who makes the trials of a run, with a registry on a directory."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from driftgate import leases
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LocalRegistry
from driftgate.errors import IntegrityFailed, LeaseHeld
from driftgate.ports import Execution

RUN = "r-0123456789abcdef0123"
MACHINE = "arn:aws:states:us-east-1:123456789012:execution:OfflineEval"
A, B = f"{MACHINE}:a", f"{MACHINE}:b"


class Executions(dict):
    """Statuses by ARN."""

    def find(self, execution):
        return Execution(status=self[execution]) if execution in self else None


@pytest.fixture
def stored(tmp_path):
    return LocalRegistry(tmp_path)


def take(stored, execution, **statuses):
    found = Executions({f"{MACHINE}:{name}": status for name, status in statuses.items()})
    return leases.take(RUN, execution, stored, found, SystemClock())


def test_the_second_execution_of_a_run_is_told_who_makes_it(stored):
    assert take(stored, A, a="RUNNING")
    with pytest.raises(LeaseHeld, match=f"run {RUN} is being made by execution {A} since 2"):
        take(stored, B, a="RUNNING")


def test_an_execution_that_asks_again_has_it_still(stored):
    take(stored, A, a="RUNNING")
    assert not take(stored, A, a="RUNNING")


@pytest.mark.parametrize("ending", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", None])
def test_a_lease_ends_with_its_execution_however_that_ends(stored, ending):
    take(stored, A)
    assert take(stored, B, **({"a": ending} if ending else {}))
    with pytest.raises(LeaseHeld, match=B):
        take(stored, A, b="RUNNING")


def test_an_execution_that_may_be_redriven_keeps_it(stored):
    take(stored, A)
    with pytest.raises(LeaseHeld):
        take(stored, B, a="PENDING_REDRIVE")


def test_another_run_is_another_lease(stored):
    take(stored, A)
    other = RUN.replace("0", "1")
    assert leases.take(other, B, stored, Executions({A: "RUNNING"}), SystemClock())


def test_executions_of_a_machine_that_was_rebuilt_hold_nothing(stored):
    take(stored, "arn:aws:states:us-east-1:123456789012:execution:Before:a")

    class Forbidden:
        def find(self, execution):
            raise AssertionError(f"nobody may ask about {execution}")

    assert leases.take(RUN, A, stored, Forbidden(), SystemClock())


def test_a_lease_that_moves_between_reading_and_writing_is_not_taken(stored):
    take(stored, A)

    class Meanwhile:
        def find(self, execution):
            take(stored, f"{MACHINE}:c")

    with pytest.raises(LeaseHeld, match=f"took the lease of run {RUN} just now"):
        leases.take(RUN, B, stored, Meanwhile(), SystemClock())


def test_of_many_at_once_one_takes_a_dead_ones_lease(stored):
    take(stored, A)
    alive = Executions({f"{MACHINE}:{n}": "RUNNING" for n in range(20)})

    def attempt(number):
        try:
            return leases.take(RUN, f"{MACHINE}:{number}", stored, alive, SystemClock())
        except LeaseHeld:
            return False

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(attempt, range(20))) == 1


def test_a_damaged_lease_is_told(stored):
    stored.put_new(f"lease/{RUN}", {"run_id": RUN})
    with pytest.raises(IntegrityFailed, match=f"row lease/{RUN} is damaged"):
        take(stored, A)
