"""The emulator's Distributed Map goes on starting children when its execution has been stopped or
too many have failed, ignores MaxConcurrencyPath and the other …Path limits, ItemBatcher and
ResultWriter, shows children their parent's execution in `$$`, and loses an error in ItemSelector;
on AWS children end with their parent, and the rest works."""

import contextvars
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import stepfunctions
from ministack.services.stepfunctions import now_iso

from local.emulator.gaps.stopped_executions import ExecutionEnded

MAX_THREADS = 64  # AWS runs up to 10,000 children at once
REFUSED = ("ItemBatcher", "ResultWriter")
COUNTS = (
    *("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total"),
    *("resultsWritten", "failuresNotRedrivable", "pendingRedrive"),
)

_changing = threading.Lock()  # of the counts and statuses of all map runs
_running: dict[int, "MapRun"] = {}


def apply() -> None:
    original = stepfunctions._run_distributed_map
    code = original.__code__
    parameters = code.co_varnames[: code.co_argcount]
    assert parameters == (
        *("state_def", "raw_input", "effective", "iterator", "execution", "ctx"),
    ), f"_run_distributed_map now takes {parameters}"
    assert not set(REFUSED) & set(code.co_consts), f"the emulator now knows one of {REFUSED}"
    emit = stepfunctions._emit_execution_status_event

    def emit_and_end_map_runs(execution: dict[str, Any]) -> None:
        if execution["status"] not in ("RUNNING", "SUCCEEDED"):
            with _changing:
                for run in list(_running.values()):
                    if run.execution is execution:
                        run.end("ABORTED")
        emit(execution)

    stepfunctions._run_distributed_map = run_distributed_map
    stepfunctions._emit_execution_status_event = emit_and_end_map_runs


def run_distributed_map(
    state: dict[str, Any],
    raw_input: Any,
    effective: Any,
    iterator: dict[str, Any],
    execution: dict[str, Any],
    ctx: dict[str, Any],
) -> tuple[Any, str | None]:
    """Run the state; returns its output and the next state's name."""
    for field in REFUSED:
        if field in state:
            raise stepfunctions._ExecutionError(
                "States.Runtime", f"the emulator has no {field} in a Distributed Map"
            )
    if stepfunctions._state_query_language(state, ctx) == "JSONata":
        raise stepfunctions._ExecutionError(
            "States.Runtime", "the emulator has no JSONata in a Distributed Map"
        )
    run = MapRun(state, iterator, execution, read_items(state, effective, ctx), effective, ctx)
    results = run.run()
    selected = stepfunctions._apply_result_selector(state, results)
    output = stepfunctions._apply_result_path(state, raw_input, selected)
    output = stepfunctions._apply_output_path(state, output, ctx)
    return output, stepfunctions._next_or_end(state)


def read_items(state: Mapping[str, Any], effective: Any, ctx: dict[str, Any]) -> list[Any]:
    if "ItemReader" in state:
        items = stepfunctions._read_map_items(state["ItemReader"], effective, ctx)
    else:
        items = stepfunctions._resolve_path_or_ctx(state.get("ItemsPath", "$"), effective, ctx)
    if not isinstance(items, list):
        raise stepfunctions._ExecutionError(
            "States.Runtime", f"a Distributed Map wants a list of items, got {items!r:.80}"
        )
    return items


class MapRun:
    """One run of a Distributed Map: a child execution per item, and the counts of how they end."""

    def __init__(
        self,
        state: Mapping[str, Any],
        iterator: Mapping[str, Any],
        execution: dict[str, Any],
        items: list[Any],
        effective: Any,
        ctx: dict[str, Any],
    ) -> None:
        def limit(name: str) -> float | None:
            if f"{name}Path" in state:
                path = state[f"{name}Path"]
                return float(stepfunctions._resolve_path_or_ctx(path, effective, ctx))
            return float(state[name]) if name in state else None

        def child_input(index: int, item: Any) -> Any:
            selector = state.get("ItemSelector") or state.get("Parameters")
            if not selector:
                return item
            here = {**ctx, "Map": {"Item": {"Index": index, "Value": item}}}
            return stepfunctions._resolve_params_obj(selector, effective, here)

        self.execution = execution
        self.inputs = [child_input(index, item) for index, item in enumerate(items)]
        self.children: list[dict[str, Any]] = []
        self._iterator = iterator
        self._ctx = ctx
        self._failed_count = limit("ToleratedFailureCount")
        self._failed_percentage = limit("ToleratedFailurePercentage")

        _, _, _, region, account, _, machine = execution["stateMachineArn"].split(":")
        self._name = f"{machine}/{state.get('Label') or new_uuid()}"
        self._arn = f"arn:aws:states:{region}:{account}"
        self.counts = {**dict.fromkeys(COUNTS, 0), "total": len(items), "pending": len(items)}
        self.record = {
            "mapRunArn": f"{self._arn}:mapRun:{self._name}:{new_uuid()}",
            "executionArn": execution["executionArn"],
            "status": "RUNNING",
            "startDate": now_iso(),
            "maxConcurrency": int(limit("MaxConcurrency") or 0),
            "toleratedFailurePercentage": self._failed_percentage or 0.0,
            "toleratedFailureCount": int(self._failed_count or 0),
            "itemCounts": self.counts,
            "executionCounts": self.counts,  # the same, as there are no batches
            "redriveCount": 0,
            "_stateMachineArn": f"{self._arn}:stateMachine:{self._name}",
        }

    def run(self) -> list[Any]:
        """Run all children; returns the outputs of those that succeeded, in the items' order."""
        stepfunctions._map_runs[self.record["mapRunArn"]] = self.record
        arn = {"mapRunArn": self.record["mapRunArn"]}
        self._tell("MapRunStarted", {"mapRunStartedEventDetails": arn})
        _running[id(self)] = self
        try:
            outputs = self._run_children()
        finally:
            del _running[id(self)]
        with _changing:
            if self.record["status"] == "RUNNING":
                self.end("SUCCEEDED")
        if self.record["status"] == "ABORTED":
            raise ExecutionEnded
        if self.record["status"] == "FAILED":
            error = "States.ExceedToleratedFailureThreshold"
            self._tell("MapRunFailed", {"mapRunFailedEventDetails": {"error": error}})
            raise stepfunctions._ExecutionError(
                error, "The specified tolerated failure threshold was exceeded"
            )
        self._tell("MapRunSucceeded", {})
        return [outputs[index] for index in sorted(outputs)]

    def _run_children(self) -> dict[int, Any]:
        outputs: dict[int, Any] = {}
        at_once = min(self.record["maxConcurrency"] or MAX_THREADS, len(self.inputs)) or 1
        with ThreadPoolExecutor(at_once) as pool:
            for index, child_input in enumerate(self.inputs):
                # A thread has no context of its own, and with it no account and no region.
                scope = contextvars.copy_context()
                pool.submit(scope.run, self._run_child, index, child_input, outputs)
        return outputs

    def _run_child(self, index: int, child_input: Any, outputs: dict[int, Any]) -> None:
        child = self._start(child_input)
        if child is None:
            return
        states, first = self._iterator["States"], self._iterator["StartAt"]
        about_child = {
            "Id": child["executionArn"],
            "Input": child_input,
            "Name": child["name"],
            "StartTime": child["startDate"],
        }
        ctx = {**self._ctx, "Execution": about_child, "variables": {}}
        try:
            output = stepfunctions._run_sub_machine(states, first, child_input, child, ctx)
        except ExecutionEnded:
            return
        except stepfunctions._ExecutionError as error:
            self._finish(child, "FAILED", error=error.error, cause=error.cause)
        except Exception as error:  # noqa: BLE001  what the emulator stumbles over fails the child
            self._finish(child, "FAILED", error="States.Runtime", cause=repr(error))
        else:
            outputs[index] = output
            self._finish(child, "SUCCEEDED", output=json.dumps(output))

    def _start(self, child_input: Any) -> dict[str, Any] | None:
        with _changing:
            if self.record["status"] != "RUNNING" or self.execution["status"] != "RUNNING":
                return None
            name = new_uuid()
            child = {
                "executionArn": f"{self._arn}:execution:{self._name}:{name}",
                "stateMachineArn": self.record["_stateMachineArn"],
                "mapRunArn": self.record["mapRunArn"],
                "name": name,
                "status": "RUNNING",
                "startDate": now_iso(),
                "stopDate": None,
                "input": json.dumps(child_input),
                "inputDetails": {"included": True},
                "output": None,
                "outputDetails": {"included": True},
                "events": [],
                "testCase": self.execution.get("testCase"),
                "mockAttempts": {},
            }
            self.children.append(child)
            stepfunctions._executions[child["executionArn"]] = child
            self._count("pending", "running")
            return child

    def _finish(self, child: dict[str, Any], status: str, **details: str) -> None:
        with _changing:
            if child["status"] != "RUNNING":
                return
            child.update(details, status=status, stopDate=now_iso())
            self._count("running", status.lower())
            if self._too_many_failed():
                self.end("FAILED")

    def _too_many_failed(self) -> bool:
        failed = self.counts["failed"]
        limits = []
        if self._failed_count is not None:
            limits.append(failed > self._failed_count)
        if self._failed_percentage is not None:
            limits.append(failed * 100 > self._failed_percentage * len(self.inputs))
        return any(limits) if limits else failed > 0

    def end(self, status: str) -> None:
        """End the run, and with it what has not ended. The caller holds the lock."""
        self.record.update(status=status, stopDate=now_iso())
        for child in self.children:
            if child["status"] == "RUNNING":
                child.update(status="ABORTED", stopDate=now_iso())
                self._count("running", "aborted")
        self._count("pending", "aborted", self.counts["pending"])

    def _count(self, before: str, after: str, number: int = 1) -> None:
        self.counts[before] -= number
        self.counts[after] += number

    def _tell(self, event: str, details: dict[str, Any]) -> None:
        stepfunctions._add_event(self.execution, event, details)
