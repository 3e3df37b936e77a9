"""Who may do what. A right that nobody needs is one that somebody will use."""

from dataclasses import replace

import pytest
from aws_cdk.assertions import Template

from stacks.environments import ENVIRONMENTS
from stacks.platform import build
from tests.infra.conftest import NO_BUNDLING
from tests.infra.reading import listed

FUNCTIONS = [
    *("plan_run", "take_lease", "preflight", "run_case", "score_case", "decide_gate"),
    *("prove_judge", "judge_case", "end_sessions", "sweep_sessions"),
    *("publish_run", "publish_dataset", "call_tool", "intercept_tools", "answer_pipeline"),
    *("choose_drill", "record_drill", "list_baselines"),
    *("find_telemetry", "start_batch", "poll_batch", "read_batch", "record_batch"),
]
ONLINE = [
    *("ingest_spans", "list_windows", "close_sessions", "sample_sessions", "judge_session"),
    *("publish_window", "mine_failures", "record_feedback", "calibrate_monitors"),
]
RECORDS, RUNS, REGISTRY = "Records091F6ECA", "RunsE45A2291", "Registry4DB9CCA5"
ATTEMPTS = "Attempts4DADFC67"
TOOLS = ("call_tool", "intercept_tools")
WITHOUT_RUNS = (*TOOLS, "take_lease", "answer_pipeline", "choose_drill", "list_baselines")
OWN_SERVICES = ("codepipeline", "states", "dynamodb", "s3", "bedrock-agentcore")


def who_may(stacks, *rights):
    """The functions that have one of these rights."""
    return {name for name in FUNCTIONS if stacks.rights(name) & set(rights)}


@pytest.mark.parametrize("environment", list(ENVIRONMENTS))
def test_no_policy_allows_all_actions_of_a_service(synthesized, environment):
    for id, statement in synthesized(environment).policies():
        # A key whose own account is not allowed everything can't be managed by anybody again.
        if statement["Effect"] == "Deny" or id.split("Key")[0] in ("", "Traces"):
            continue
        assert not [action for action in listed(statement["Action"]) if "*" in action], id


@pytest.mark.parametrize("environment", list(ENVIRONMENTS))
def test_a_service_acts_for_things_of_this_account_alone(synthesized, environment):
    trusted = [
        (id, statement["Principal"]["Service"], statement.get("Condition", {}))
        for id, statement in synthesized(environment).policies()
        if isinstance(statement.get("Principal"), dict) and "Service" in statement["Principal"]
    ]
    assert {service for _, services, _ in trusted for service in listed(services)} == {
        "lambda.amazonaws.com",
        "states.amazonaws.com",
        *("scheduler.amazonaws.com", "cloudwatch.amazonaws.com", "events.amazonaws.com"),
    }
    for id, services, condition in trusted:
        if id.startswith("Undelivered"):  # a queue of CDK's, which names the rule
            assert "aws:SourceArn" in condition["ArnEquals"], id
            continue
        assert "aws:SourceAccount" in condition["StringEquals"], id
        if services == "states.amazonaws.com":
            assert "aws:SourceArn" in condition["ArnLike"], id


def test_all_functions_are_looked_at(prod):
    assert sorted(prod.functions()) == sorted([*FUNCTIONS, *ONLINE])


def test_every_function_has_a_role_of_its_own(prod):
    roles = [str(function["Role"]) for function in prod.functions().values()]
    assert len(set(roles)) == len(roles)


def test_datasets_are_written_by_publish_dataset_and_verdicts_by_publish_run(prod):
    put = "s3:PutObject"
    assert who_may(prod, (put, f"{RECORDS}/datasets/*")) == {"publish_dataset"}
    assert who_may(prod, (put, f"{RECORDS}/verdicts/*")) == {"publish_run"}
    assert {
        resource
        for name in FUNCTIONS
        for action, resource in prod.rights(name)
        if action == put and resource.startswith(RECORDS)
    } == {f"{RECORDS}/datasets/*", f"{RECORDS}/verdicts/*"}


def test_who_scores_can_make_no_trace_and_who_decides_no_score(prod):
    written = {
        name: {resource for action, resource in prod.rights(name) if action == "s3:PutObject"}
        for name in ("score_case", "decide_gate")
    }
    assert written == {
        "score_case": {f"{RUNS}/runs/*/scores/*"},
        "decide_gate": {f"{RUNS}/runs/*/verdicts/*"},
    }


def test_only_who_asks_agents_can_ask_them(prod):
    asking = {
        name: {a for a, _ in prod.rights(name) if a.startswith("bedrock") and "Batch" not in a}
        for name in FUNCTIONS
        if name not in ("start_batch", "poll_batch")  # which invoke models, for evaluators
    }
    stop = "bedrock-agentcore:StopRuntimeSession"
    may = {"bedrock-agentcore:InvokeAgentRuntime", stop}
    look = {"bedrock-agentcore:GetAgentRuntimeEndpoint"}
    assert {name: actions for name, actions in asking.items() if actions} == {
        **{"plan_run": look, "decide_gate": look},
        "preflight": may,
        "run_case": may,
        "end_sessions": {stop},
        "sweep_sessions": {stop},
        "prove_judge": {"bedrock:InvokeModel"},
        "judge_case": {"bedrock:InvokeModel"},
    }


def test_a_judge_is_one_of_the_environments(synthesized):
    model = "anthropic.claude-sonnet-4-6"
    profile = f"AWS::AccountId:inference-profile/global.{model}"
    for name in ("prove_judge", "judge_case"):
        asked = {
            (action, resource.rpartition("bedrock")[2])
            for action, resource in synthesized("prod").rights(name)
            if action.startswith("bedrock")
        }
        assert asked == {
            ("bedrock:InvokeModel", f":AWS::Region:{profile}"),
            ("bedrock:InvokeModel", f":*::foundation-model/{model}"),
        }
        local = {r for a, r in synthesized("local").rights(name) if a.endswith(":Evaluate")}
        builtin = "arn:AWS::Partition:bedrock-agentcore:::evaluator/Builtin"
        assert local == {f"{builtin}.GoalSuccessRate", f"{builtin}.Helpfulness"}


def test_who_judges_writes_judgments_and_counts_what_they_cost(prod):
    """No trace, no score and no verdict; and no row but that of its run's budget."""
    written = {
        name: {r for action, r in prod.rights(name) if action == "s3:PutObject"}
        for name in ("prove_judge", "judge_case")
    }
    kept = f"{RUNS}/judgments/*"
    assert written == {
        "prove_judge": {kept, f"{RUNS}/runs/*/canaries.json"},
        "judge_case": {kept, f"{RUNS}/runs/*/judgments/*", f"{RUNS}/runs/*/judge-faults/*"},
    }


def test_who_ends_sessions_writes_that_they_ended_and_nothing_else(prod):
    for name in ("end_sessions", "sweep_sessions"):
        written = {r for action, r in prod.rights(name) if action == "s3:PutObject"}
        assert written == {f"{RUNS}/runs/*/attempts/*"}, name


def test_rows_are_put_by_those_whose_kind_they_are(prod):
    kinds = {
        id: statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
        for id, statement in prod.policies()
        if listed(statement["Action"]) == ["dynamodb:PutItem"]
        and "ForAllValues:StringEquals" in statement["Condition"]
    }
    assert who_may(prod, ("dynamodb:PutItem", REGISTRY)) == {
        *("take_lease", "publish_run", "publish_dataset", "record_drill", "record_batch"),
        *("prove_judge", "judge_case", "sweep_sessions", "plan_run", "run_case"),
    }
    assert sorted(kinds.values()) == [
        ["batch"],
        ["dataset"],
        ["drill"],
        ["head", "run", "validated", "override-use"],
        ["judging", "spending"],
        ["judging", "spending"],
        ["lease"],
        ["lease"],
        ["spending"],
        ["spending"],
    ]
    assert who_may(prod, ("dynamodb:PutItem", ATTEMPTS)) == {"preflight", "run_case", *TOOLS}


def test_no_function_asks_for_an_override_or_approves_one(prod):
    """PublishRun says which execution used it. The two rows before that are people's."""
    kinds = [
        kind
        for _, statement in prod.policies()
        if "dynamodb:PutItem" in listed(statement["Action"]) and "Condition" in statement
        for kinds in statement["Condition"].values()
        for kind in kinds["dynamodb:LeadingKeys"]
        if kind.startswith("override")
    ]
    assert kinds == ["override-use"]


def test_nothing_that_is_stored_can_be_deleted_by_a_function(prod):
    for name in FUNCTIONS:
        assert not [action for action, _ in prod.rights(name) if "Delete" in action], name


@pytest.mark.parametrize("function", TOOLS)
def test_the_mock_tools_see_their_attempts_and_nothing_else(prod, function):
    seen = {
        resource
        for action, resource in prod.rights(function)
        if action.split(":")[0] in ("s3", "dynamodb", "bedrock-agentcore")
    }
    assert seen == {ATTEMPTS}


def test_who_answers_a_pipeline_reads_what_it_answers_with_and_changes_nothing(prod):
    rights = prod.rights("answer_pipeline")
    assert {action for action, _ in rights if action.split(":")[0] in OWN_SERVICES} == {
        *("codepipeline:PutJobSuccessResult", "codepipeline:PutJobFailureResult"),
        *("states:DescribeExecution", "dynamodb:GetItem", "dynamodb:Query"),
        *("s3:GetObject", "s3:ListBucket"),
    }
    assert {resource for action, resource in rights if action == "s3:GetObject"} == {
        f"{RECORDS}/verdicts/*"
    }


def test_executions_are_seen_by_those_who_ask_if_they_run_or_what_they_came_to(prod):
    own = "arn:AWS::Partition:states:AWS::Region:AWS::AccountId:execution:OfflineEvalF9193B89:*"
    assert who_may(prod, ("states:DescribeExecution", own)) == {
        *("take_lease", "answer_pipeline", "sweep_sessions"),
    }
    assert {r for name in FUNCTIONS for a, r in prod.rights(name) if a[:7] == "states:"} == {own}


@pytest.mark.parametrize(
    ("function", "bucket"),
    [
        *[(name, RUNS) for name in FUNCTIONS if name not in WITHOUT_RUNS],
        *[
            (name, RECORDS)
            for name in (
                *("plan_run", "decide_gate", "publish_run", "publish_dataset"),
                *("answer_pipeline", "choose_drill"),
            )
        ],
    ],
)
def test_who_asks_for_an_object_that_is_not_there_is_told_so(prod, function, bucket):
    """S3 answers 403 to those who may not list, and that would look like a fault."""
    assert ("s3:ListBucket", bucket) in prod.rights(function)


def test_who_tries_the_gate_changes_nothing_but_the_record_of_it(prod):
    """No verdict of a drill can become anybody's: nobody here may publish, promote or announce."""
    assert {
        (action, resource)
        for name in ("choose_drill", "record_drill")
        for action, resource in prod.rights(name)
        if action.split(":")[0] in OWN_SERVICES and action.split(":")[1][:3] not in ("Get", "Lis")
    } == {("dynamodb:Query", REGISTRY), ("dynamodb:PutItem", REGISTRY)}
    read = {
        resource
        for name in ("choose_drill", "record_drill")
        for action, resource in prod.rights(name)
        if action == "s3:GetObject"
    }
    assert read == {
        *(f"{RECORDS}/datasets/*", f"{RECORDS}/verdicts/*"),
        *(f"{RUNS}/runs/*/plan.json", f"{RUNS}/runs/*/verdicts/*"),
    }


def test_a_key_is_used_through_a_service_only(prod):
    for id, statement in prod.policies():
        by = statement.get("Principal", {})
        if id.startswith("Key") and isinstance(by, dict) and "Service" in by:
            continue  # a service that announces through a topic under this key
        if "kms:Decrypt" in listed(statement["Action"]):
            assert "kms:ViaService" in statement["Condition"]["StringEquals"], id


def test_jobs_are_started_by_who_starts_and_who_polls_and_ended_by_nobody(prod):
    jobs = {
        name: {a.removeprefix("bedrock-agentcore:") for a, r in prod.rights(name) if "Batch" in a}
        for name in FUNCTIONS
    }
    assert {name: operations for name, operations in jobs.items() if operations} == {
        "start_batch": {"StartBatchEvaluation"},
        "poll_batch": {"StartBatchEvaluation", "GetBatchEvaluation"},
        "read_batch": {"GetBatchEvaluation"},
    }


def test_who_watches_production_keeps_to_its_own_rows_and_objects(prod):
    """Each kind has one writer, but for the row of a session: spans grow it, closing ends it."""
    put = {
        name: {
            kind
            for id, statement in prod.policies()
            if f"{name.title().replace('_', '')}Role" in id
            and "ForAllValues:StringLike" in statement.get("Condition", {})
            for kind in statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
            if not kind.endswith(".*")
        }
        for name in ONLINE
    }
    assert put == {
        "ingest_spans": {"session", "due"},
        "list_windows": {"turn"},
        "close_sessions": {"session", "closed"},
        "sample_sessions": {"sampled"},
        "judge_session": {"judged"},
        "publish_window": {"state", "turn", "history"},
        "calibrate_monitors": {"thresholds"},
        "mine_failures": {"candidate"},
        "record_feedback": {"feedback", "heard"},
    }
    written = {
        name: {r for action, r in prod.rights(name) if action == "s3:PutObject"} for name in ONLINE
    }
    traces = next(r for r in written["close_sessions"]).partition("/")[0]
    assert {name: objects for name, objects in written.items() if objects} == {
        "ingest_spans": {f"{traces}/fragments/*"},
        "close_sessions": {f"{traces}/traces/*"},
        "publish_window": {f"{traces}/windows/*"},
    }


def test_what_people_said_is_read_by_those_who_close_judge_and_mine(prod):
    read = {
        name: {r.partition("/")[2] for action, r in prod.rights(name) if action == "s3:GetObject"}
        for name in ONLINE
    }
    assert {name: objects for name, objects in read.items() if objects} == {
        "close_sessions": {"fragments/*", "traces/*", "agents/*"},
        "judge_session": {"traces/*", "agents/*"},
        "mine_failures": {"traces/*"},
        **{name: {"windows/*"} for name in ("sample_sessions", "publish_window")},
        "calibrate_monitors": {"windows/*"},
    }
    for name in ONLINE:
        assert not [action for action, _ in prod.rights(name) if "Delete" in action], name


@pytest.mark.parametrize(
    ("finder", "action"),
    [
        ("", None),
        ("comprehend:en", "comprehend:DetectPiiEntities"),
        ("guardrail:abc123:2", "bedrock:ApplyGuardrail"),
    ],
)
def test_who_redacts_asks_the_service_that_the_environment_names(monkeypatch, finder, action):
    prod = ENVIRONMENTS["prod"]
    watch = prod.watch.model_copy(update={"finder": finder})
    monkeypatch.setitem(ENVIRONMENTS, "prod", replace(prod, watch=watch))
    app = build({**NO_BUNDLING, "environment": "prod"})
    template = Template.from_stack(app.node.find_child("Driftgate-prod-Online")).to_json()
    found = {
        name
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::IAM::Policy"
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
        for name in listed(statement["Action"])
    }
    assert found & {"comprehend:DetectPiiEntities", "bedrock:ApplyGuardrail"} == (
        {action} if action else set()
    )
