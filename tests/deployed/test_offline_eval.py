"""The state machine decides as the in-process run does, whatever dies on the way."""

import json
import os
import signal
import subprocess
from datetime import timedelta

import pytest
import yaml
from jsonschema import Draft202012Validator

from driftgate import chains, evidence, overrides, planning, registry
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.runtime_control import AgentCoreControl
from driftgate.schemas.policies import SEQUENTIAL_LOOKS
from driftgate.schemas.runs import PlanRunRequest, Verdict
from tests.conftest import ROOT, TELLER
from tests.deployed.conftest import until
from tests.integration.test_run import version

HERE = ("--environment", "local")
DECIDED = ("outcome", "reason", "criteria", "strata", "broken", "fixed", "failing", "missing")


def teller(folder, number, **replacements):
    """A version that nobody hurries: a machine under load is slow, not wrong."""
    return version(folder, number, **{"case_s: 2": "case_s: 60", **replacements})


@pytest.fixture(scope="module")
def first_version(tmp_path_factory):
    return teller(tmp_path_factory.mktemp("teller") / "first", "1.0.0")


@pytest.fixture(scope="module")
def bank(cloud, first_version):
    """The teller's first version is the baseline."""
    assert cloud("agent", "publish", first_version, *HERE).code == 0
    first = cloud("run", "--agent", "teller@1.0.0", *HERE, "--json")
    assert (first.code, first.json["outcome"]) == (0, "BASELINE_CREATED"), first.err
    assert cloud("agent", "promote", "teller@1.0.0", *HERE).code == 0
    return cloud


def runtime_of(bank, agent, control):
    """A runtime of a published version's code, and that code as the command line takes it."""
    place, (name, _, number) = bank.deployment, agent.partition("@")
    version = registry.load_agent(name, number, place.registry)
    bucket, key = place.outputs["RecordsBucket"], f"agents/{version.code_sha256}"
    found = bank.instance.client("s3").head_object(Bucket=bucket, Key=key)["VersionId"]
    s3 = {"bucket": bucket, "prefix": key, "versionId": found}
    code = {"code": {"s3": s3}, "runtime": "PYTHON_3_13", "entryPoint": ["agent.py"]}
    runtime = control.create_agent_runtime(
        agentRuntimeName=name,
        agentRuntimeArtifact={"codeConfiguration": code},
        roleArn=f"arn:aws:iam::{bank.instance.account}:role/sandbox",
        networkConfiguration={"networkMode": "PUBLIC"},
    )
    of_code = ("--code", f"s3://{bucket}/{key}", "--code-version", found)
    return runtime, (*of_code, "--entry-point", "agent.py")


def decided(verdict):
    return {name: verdict[name] for name in DECIDED}


class TestVerdicts:
    def test_a_worse_version_is_blocked_with_the_words_of_the_run_in_process(
        self, bank, first_version, tmp_path
    ):
        floor = {
            "calls: 5}": "calls: 5}\npolicy: {min_task_success: 0.9}"
        }  # of six cases all break
        worse = teller(tmp_path / "worse", "2.0.0", **{"${TELLER:-fine}": "units"}, **floor)
        words = ("run", "--agent", worse, "--trials", "2", "--json")
        there = bank(*words, *HERE)
        assert (there.code, there.json["outcome"]) == (1, "BLOCK"), there.err
        here = bank(*words, "--baseline", first_version, "--dataset", TELLER / "dataset")
        assert decided(there.json) == decided(here.json)

    def test_the_ledger_has_the_trials_of_both_arms_there_as_here(self, bank):
        """After the run before, in either place."""

        def rows(*where):
            shown = bank(
                "benchmark", "show", "--limit", "500", "--since", "2020-01-01", *where, "--json"
            )
            assert shown.code == 0, shown.err
            return sorted(
                (one["version"], one["case_id"], one["trial"], tuple(one["tools"]), scores(one))
                for one in shown.json
                if one["version"] in ("1.0.0", "2.0.0")
            )

        def scores(one):
            return tuple((name, score["value"]) for name, score in sorted(one["scores"].items()))

        here, there = rows(), rows(*HERE)
        assert len(here) == 2 * 2 * 6  # arms, trials, cases
        assert set(here) <= set(there)

    def test_verdict_bundle_and_link_are_kept_under_a_lock_and_the_run_is_entered(self, bank):
        place = bank.deployment
        row = place.registry.rows("run/")[0]
        keys = place.records.keys(f"verdicts/teller/{row['run_id']}/")
        (key,) = chains.verdict_keys(f"verdicts/teller/{row['run_id']}/", place.records)
        beside = (evidence.bundle_key(key), evidence.link_key(key), evidence.cost_key(key))
        assert sorted(keys) == sorted([key, *beside])
        cost = evidence.find_cost(key, place.records)
        assert {"session memory", "storage", "functions"} <= {part.part for part in cost.parts}
        kept = Verdict.model_validate_json(place.records.get(key))
        assert kept.run_id == row["run_id"]
        s3, bucket = bank.instance.client("s3"), place.outputs["RecordsBucket"]
        for each in keys:
            held = s3.get_object_retention(Bucket=bucket, Key=each)["Retention"]
            assert held["Mode"] == "GOVERNANCE"

    def test_a_verdict_verifies_in_a_fresh_process_and_tells_what_it_means(self, bank):
        rows = bank("runs", "--limit", "100", *HERE, "--json").json
        for row in rows:
            done = bank("gate", "verify", row["run_id"], *HERE, "--json", PYTHONHASHSEED="5")
            assert (done.code, done.json["verdicts"][0]["unchecked"]) == (0, []), done.err
        whole = bank("gate", "verify", "--chain", "teller", *HERE, "--json")
        assert (whole.code, whole.json["chain"]["head"]) == (0, len(rows)), whole.err
        told = bank("gate", "explain", rows[-1]["run_id"], *HERE, "--json")
        assert (told.code, told.json["outcome"]) == (0, rows[-1]["outcome"])

    def test_a_run_that_took_several_looks_is_not_made_again_and_keeps_its_verdict(self, bank):
        place = bank.deployment
        request = PlanRunRequest(
            agent="teller", version="1.0.0", environment="local", case_ids=("balance",)
        )
        plan, _ = planning.make_plan(request, place.registry)
        first = self.finished(place, place.start(request, plan.run_id))
        runs, prefix = place.runs, f"runs/{plan.run_id}"
        attempts, links = runs.keys(f"{prefix}/attempts/"), place.records.keys("verdicts/teller/")
        verdict = evidence.load_verdict(first.verdict_key, place.records)
        assert (verdict.outcome, verdict.trials) == ("INCONCLUSIVE", SEQUENTIAL_LOOKS[-1])
        again = self.finished(place, place.start(request, plan.run_id))
        assert again == first
        assert runs.keys(f"{prefix}/attempts/") == attempts
        assert place.records.keys("verdicts/teller/") == links

    def finished(self, place, execution):
        return until(lambda: place.result(execution), timeout_s=300)

    def test_an_agent_that_does_not_start_ends_it_before_the_first_trial(self, bank, tmp_path):
        broken = teller(tmp_path / "broken", "3.0.0", **{"agent:answer": "agent:nobody"})
        done = bank("run", "--agent", broken, *HERE)
        assert done.code == 3
        assert "nobody" in done.err

    def test_a_case_that_is_unknown_ends_it_as_bad_input(self, bank):
        done = bank("run", "--agent", "teller@1.0.0", *HERE, "--case", "nothing")
        assert (done.code, "no case 'nothing'" in done.err) == (2, True)

    def test_a_stored_trace_is_scored_again_without_asking_the_agent(self, bank):
        first = bank("run", "--agent", "teller@1.0.0", *HERE, "--no-baseline", "--json")
        runs, prefix = bank.deployment.runs, f"runs/{first.json['run_id']}"
        attempts, scores = runs.keys(f"{prefix}/attempts/"), runs.keys(f"{prefix}/scores/")
        bucket, s3 = bank.deployment.outputs["RunsBucket"], bank.instance.client("s3")
        for key in scores:
            s3.delete_object(Bucket=bucket, Key=key)
        again = bank("run", "--resume", first.json["run_id"], *HERE, "--json")
        assert runs.keys(f"{prefix}/scores/") == scores
        assert runs.keys(f"{prefix}/attempts/") == attempts
        assert decided(again.json) == decided(first.json)

    def test_a_run_on_an_endpoint_stands_as_long_as_the_endpoint_does(self, bank, tmp_path):
        control = bank.instance.client("bedrock-agentcore-control")
        runtime, code = runtime_of(bank, "teller@1.0.0", control)
        arn, id = runtime["agentRuntimeArn"], runtime["agentRuntimeId"]
        taken = bank("sandbox", "endpoint", "take", arn, *code, "--as", "us", *HERE, "--json")
        assert taken.code == 0, taken.err
        name = taken.json["qualifier"]
        there = teller(tmp_path / "there", "4.0.0")
        manifest = yaml.safe_load((there / "agent.yaml").read_text())
        manifest["target"] = {"kind": "agentcore", "runtime_arn": arn, "qualifier": name}
        (there / "agent.yaml").write_text(yaml.safe_dump(manifest))
        words = ("run", "--agent", there, "--no-baseline", "--case", "balance", *HERE, "--json")

        first = bank(*words)
        assert first.json["missing"] == [], first.err
        assert first.json["outcome"] != "INTEGRITY_FAIL"
        plan = evidence.load_plan(first.json["run_id"], bank.deployment.runs)
        assert plan.live_versions == {"candidate": taken.json["runtime_version"]}

        described = AgentCoreControl(control).describe(arn)
        other = {**described.definition, "environmentVariables": {"PROMPT": "another"}}
        version = AgentCoreControl(control).update(arn, other)
        AgentCoreControl(control).describe(arn, version)  # and so it is ready
        control.update_agent_runtime_endpoint(
            agentRuntimeId=id, endpointName=name, agentRuntimeVersion=version
        )
        until(lambda: AgentCoreControl(control).endpoint(arn, name).live_version == version)
        again = bank(*words)
        assert again.code == 1
        assert f"endpoint {name} of {arn} served version 1 at the start, now version 2" in again.err

    def test_a_finished_run_is_announced_on_the_event_bus_and_a_block_beside_it(
        self, bank, tmp_path
    ):
        sqs, queue = bank.instance.client("sqs"), bank.listen("announced")

        def heard(number):
            messages = []
            until(lambda: len(messages.extend(received()) or messages) >= number)
            return {body["detail-type"]: body["detail"] for body in messages}

        def received():
            found = sqs.receive_message(
                QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=10
            ).get("Messages", [])
            for message in found:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            return [json.loads(message["Body"]) for message in found]

        run = bank("run", "--agent", "teller@1.0.0", *HERE, "--no-baseline", "--json").json
        (detail,) = heard(1).values()
        assert (detail["run_id"], detail["outcome"]) == (run["run_id"], run["outcome"])
        assert bank.deployment.records.get(detail["verdict_key"]) is not None

        floor = {"calls: 5}": "calls: 5}\npolicy: {min_task_success: 0.9}"}
        worse = teller(tmp_path / "blocked", "2.9.0", **{"${TELLER:-fine}": "units"}, **floor)
        words = ("run", "--agent", worse, *HERE, "--no-baseline", "--json")
        run = bank(*words).json
        assert run["outcome"] == "BLOCK", run["reason"]
        told = heard(2)
        assert told.keys() == {"EvaluationCompleted", "GateBlocked"}
        assert told["GateBlocked"]["case_ids"] == [case["case_id"] for case in run["failing"]]

        override = self.approved_override(bank, run["run_id"])
        over = bank(*words)
        assert (over.code, over.json["outcome"], over.json["effective"]) == (
            0, "BLOCK", "OVERRIDDEN",
        ), over.err  # fmt: skip
        assert "OVERRIDDEN by" in over.err
        told |= heard(3)
        assert told["GateOverridden"]["override_id"] == override
        for name, detail in told.items():
            schema = json.loads((ROOT / f"docs/events/{name}.schema.json").read_text())
            Draft202012Validator(schema).validate(detail)
            assert detail["run_id"] == run["run_id"]
        self.assert_it_was_let_through_alone(bank, told["GateOverridden"])
        again = bank(*words)
        assert (again.code, "it was used at" in again.err) == (1, True), again.err

    def approved_override(self, bank, run):
        """One person asks on the command line; as all have its identity, another is made up."""
        asked = bank("gate", "override", run, "--reason", "The floor is wrong for this release",
                     "--ticket", "INC-1", *HERE, "--json")  # fmt: skip
        assert asked.code == 0, asked.err
        override_id = asked.json["override_id"]
        refused = bank("gate", "approve", override_id, *HERE)
        assert (refused.code, "by the same person, arn:aws:" in refused.err) == (2, True)
        place = bank.deployment
        ports = place.registry, place.records, SystemClock()
        overrides.approve(override_id, "somebody-else", timedelta(hours=1), *ports)
        return override_id

    def assert_it_was_let_through_alone(self, bank, detail):
        """The record is locked, and holds for the execution that Step Functions knows."""
        place = bank.deployment
        key, execution = detail["verdict_key"], detail["execution"]
        ((kept, _),) = overrides.kept(key, place.records)
        held = bank.instance.client("s3").get_object_retention(
            Bucket=place.outputs["RecordsBucket"], Key=kept
        )
        assert held["Retention"]["Mode"] == "GOVERNANCE"
        assert place.result(execution).effective == "OVERRIDDEN"
        verdict = evidence.load_verdict(key, place.records)
        told = [
            overrides.effective(verdict, key, "local", e, place.records)
            for e in (execution, f"{execution}-other")
        ]
        assert told == ["OVERRIDDEN", "BLOCK"]


class TestDeath:
    def test_a_killed_worker_and_a_stopped_execution_leave_one_trace_a_trial_and_no_session(
        self, bank, first_version, tmp_path
    ):
        slow = teller(tmp_path / "slow", "1.2.0", **{"${TELLER_THINKS_S:-0}": "0.7"})
        words = ("run", "--agent", slow, *HERE, "--json", "--trials", "3")
        process = subprocess.Popen(bank.command(*words), cwd=ROOT, stderr=subprocess.DEVNULL)
        busy = until(
            lambda: [s for s in bank.open_sessions() if "preflight" not in s["session_id"]]
        )
        workers = bank.workers("RunCase")
        assert workers
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        finished = {trace.session_id for trace in traces_of(bank, "1.2.0")}  # before the kill
        killed = {session["session_id"] for session in busy} - finished
        assert killed
        until(lambda: not killed & {s["session_id"] for s in bank.open_sessions()})
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        for worker in bank.workers("RunCase"):  # nobody tries again what these were at
            os.kill(worker, signal.SIGKILL)
        swept = bank("sandbox", "sweep", *HERE, "--json")
        assert (swept.code, swept.json["still_open"]) == (0, 0), swept.err
        assert not bank.open_sessions()

        done = bank(*words)
        assert done.json["outcome"] == "INCONCLUSIVE"  # six cases prove nothing
        until(lambda: not bank.open_sessions())  # what the stopped execution began runs to its end
        plan = evidence.load_plan(done.json["run_id"], bank.deployment.runs)
        keys = list(plan.trial_keys(1))
        traces = [evidence.load_trace(plan.run_id, key, bank.deployment.runs) for key in keys]
        stored = bank.deployment.runs.keys(f"runs/{plan.run_id}/traces/")
        assert len(stored) == len(keys) == done.json["scored"]
        assert not killed & {trace.session_id for trace in traces}
        undisturbed = bank("run", "--agent", slow, "--baseline", first_version, "--local", "--json",
                           "--trials", "3", "--dataset", TELLER / "dataset")  # fmt: skip
        assert decided(done.json) == decided(undisturbed.json)


def traces_of(bank, version):
    """The stored traces of the run with this version as its candidate."""
    runs = bank.deployment.runs
    for key in runs.keys("runs/"):
        if key.endswith("/plan.json"):
            plan = evidence.load_plan(key.split("/")[1], runs)
            if plan.arms["candidate"].manifest.version == version:
                found = (evidence.find_trace(plan.run_id, k, runs) for k in plan.trial_keys(1))
                return [trace for trace in found if trace is not None]
    return []
