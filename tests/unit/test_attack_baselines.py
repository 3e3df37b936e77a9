"""What is in production is attacked anew each time."""

from driftgate import attack_baselines, datasets, planning, registry
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LocalRegistry
from driftgate.schemas.attack_baselines import ListBaselinesRequest
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.manifests import Manifest
from tests import builders

SERVED = {"kind": "http", "command": ["serve"], "code": {"include": ["*.py"]}}
BOTH = {"regression": "bank@1.0.0", "adversarial": "attacks@1.0.0"}


class On:
    """A clock that stands."""

    def __init__(self, day):
        self._day = day

    def now(self):
        return f"{self._day}T12:00:00+00:00"


def house(folder):
    stored = LocalRegistry(folder)
    attack = {"kind": "boundary", "criterion": "refused_or_escalated"}
    acceptable = [{"match": "contains", "value": "no"}]
    case = builders.case(case_id="attack", adversarial={**attack, "acceptable": acceptable})
    for name in ("attacks", "bank"):
        header = DatasetHeader(name=name, version="1.0.0", owner="us", changelog="x", tools={})
        built = datasets.build(header, [case])
        registry.publish_dataset(built, stored, SystemClock(), author="me")
    return stored


def baseline(stored, name, environment="prod", **changes):
    content = builders.manifest(agent=name, **{"target": SERVED, "datasets": BOTH, **changes})
    version = registry.seal_agent(Manifest.model_validate(content), (), {}, None)
    registry.publish_agent(version, None, stored)
    registry.promote(name, "1.0.0", environment, stored, SystemClock())


def listed(stored, day="2026-11-20"):
    return attack_baselines.list_baselines(ListBaselinesRequest(), "prod", stored, On(day))


def test_each_baseline_of_the_environment_that_pins_attacks_is_attacked(tmp_path):
    stored = house(tmp_path)
    baseline(stored, "teller")
    baseline(stored, "clerk")
    baseline(stored, "elsewhere", environment="dev")
    baseline(stored, "unpinned", datasets={"regression": "bank@1.0.0"})
    found = listed(stored)
    assert [run.agent for run in found.runs] == ["clerk", "teller"]
    assert all(run.suite == "adversarial" and run.absolute for run in found.runs)
    assert [why.partition(":")[0] for why in found.passed_over] == ["unpinned"]


def test_another_day_is_another_run_and_the_same_day_the_same(tmp_path):
    stored = house(tmp_path)
    baseline(stored, "teller")
    ids = [
        planning.make_plan(listed(stored, day).runs[0], stored)[0].run_id
        for day in ("2026-11-20", "2026-11-20", "2026-11-27")
    ]
    assert ids[0] == ids[1] != ids[2]


def test_without_baselines_there_is_nothing_to_attack(tmp_path):
    assert listed(house(tmp_path)).runs == ()
