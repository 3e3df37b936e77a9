"""The offline evaluation: functions and their state machine. Delete and rebuild it at will."""

from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from driftgate import settings
from stacks.constructs import grants
from stacks.constructs.batch_evaluation_access import BatchEvaluationAccess
from stacks.constructs.findings import acknowledge, acknowledge_wildcard
from stacks.constructs.functions import FunctionFactory
from stacks.constructs.layers import LockedLayer
from stacks.constructs.principals import service
from stacks.constructs.state_machine import AslStateMachine
from stacks.data import DataStack
from stacks.environments import Environment


class EvaluationStack(Stack):
    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, data: DataStack, **kwargs: Any
    ) -> None:
        super().__init__(scope, id, termination_protection=environment.retain_data, **kwargs)
        self._environment = environment
        self._data = data
        self._function = FunctionFactory(self, "Functions", environment=environment, key=data.key)
        # The state of the mock tools during an attempt, and the calls it saw: of use for a day.
        self._attempts = dynamodb.Table(
            self,
            "Attempts",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            time_to_live_attribute="expires_at",
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=data.key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(self._attempts, "DDB3", "An attempt whose rows are lost is made again.")
        # Lambda's own boto3 lags behind what AgentCore can do.
        self._boto3 = LockedLayer(self, "Boto3", lock="boto3", environment=environment)

        take_lease = self._take_lease()
        functions = {
            "PlanRun": self._plan_run(),
            "TakeLease": take_lease,
            "Preflight": self._preflight(),
            "ProveJudge": self._prove_judge(),
            "RunCase": self._run_case(),
            "EndSessions": self._end_sessions(),
            "ScoreCase": self._score_case(),
            "JudgeCase": self._judge_case(),
            "DecideGate": self._decide_gate(),
            "PublishRun": self._publish_run(),
        }
        offline_eval = AslStateMachine(
            self,
            "OfflineEval",
            file="offline_eval.asl.json",
            functions=functions,
            values={"RunsBucket": data.runs.bucket_name},
            environment=environment,
        )
        grants.get_objects(offline_eval.role, data.runs, "runs/*/trials/*.jsonl")

        batch_eval = AslStateMachine(
            self,
            "BatchEval",
            file="batch_eval.asl.json",
            functions=self._batch_functions(),
            environment=environment,
        )

        self.try_gate = AslStateMachine(
            self,
            "TryGate",
            file="try_gate.asl.json",
            functions={"ChooseDrill": self._choose_drill(), "RecordDrill": self._record_drill()},
            machines={"OfflineEval": offline_eval},
            environment=environment,
        )

        self.attack_baselines = AslStateMachine(
            self,
            "AttackBaselines",
            file="attack_baselines.asl.json",
            functions={"ListBaselines": self._list_baselines()},
            machines={"OfflineEval": offline_eval},
            environment=environment,
        )

        answer_pipeline, sweep_sessions = self._answer_pipeline(), self._sweep_sessions()
        offline_eval.let_find_executions(take_lease, answer_pipeline, sweep_sessions)

        # With names, so that the stacks of other teams can import them: see QualityGateStage.
        for name, value in (
            ("OfflineEvalArn", offline_eval.state_machine_arn),
            ("AnswerPipelineArn", answer_pipeline.function_arn),
        ):
            CfnOutput(self, name, value=value, export_name=f"{self.stack_name}-{name}")
        CfnOutput(self, "TryGateArn", value=self.try_gate.state_machine_arn)
        CfnOutput(self, "AttackBaselinesArn", value=self.attack_baselines.state_machine_arn)
        CfnOutput(self, "Judge", value=environment.judge.model_dump_json())
        CfnOutput(self, "Quotas", value=environment.quotas_of_a_run.model_dump_json())
        CfnOutput(self, "BatchEvalArn", value=batch_eval.state_machine_arn)
        CfnOutput(self, "PublishDatasetFunction", value=self._publish_dataset().function_name)
        self.call_tool = self._answer_tools(
            "CallTool", settings.CallToolSettings(attempts_table=self._attempts.table_name)
        )
        self.intercept_tools = self._answer_tools(
            "InterceptTools",
            settings.InterceptToolsSettings(attempts_table=self._attempts.table_name),
        )
        CfnOutput(self, "CallToolFunction", value=self.call_tool.function_name)
        CfnOutput(self, "InterceptToolsFunction", value=self.intercept_tools.function_name)
        CfnOutput(self, "SweepSessionsFunction", value=sweep_sessions.function_name)
        CfnOutput(self, "AttemptsTable", value=self._attempts.table_name)

    def _plan_run(self) -> lambda_.Function:
        data = self._data
        function = self._function(
            "PlanRun",
            settings.PlanRunSettings(
                registry_table=data.registry.table_name,
                records_bucket=data.records.bucket_name,
                runs_bucket=data.runs.bucket_name,
                judge=self._environment.judge.model_dump_json(),
                quotas=self._environment.quotas_of_a_run.model_dump_json(),
                max_run_usd=self._environment.max_run_usd,
            ),
            timeout=Duration.minutes(5),
            memory_mb=1024,
            layers=[self._boto3],
        )
        role = _role(function)
        self._look_at_endpoints(role)
        grants.read_rows(role, data.registry)
        self._read_blobs(role)
        self._read_runs(role)
        grants.put_objects(role, data.runs, "runs/*")
        grants.put_rows(role, data.registry, "spending")
        # The settings of an account are no resource to IAM.
        actions = ["lambda:GetAccountSettings"]
        role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=["*"]))
        return function

    def _take_lease(self) -> lambda_.Function:
        data = self._data
        function = self._function(
            "TakeLease",
            settings.TakeLeaseSettings(
                registry_table=data.registry.table_name, records_bucket=data.records.bucket_name
            ),
            timeout=Duration.minutes(1),
        )
        role = _role(function)
        grants.read_rows(role, data.registry)
        grants.put_rows(role, data.registry, "lease")
        return function

    def _answer_pipeline(self) -> lambda_.Function:
        data = self._data
        function = self._function(
            "AnswerPipeline",
            settings.AnswerPipelineSettings(
                environment=self._environment.name,
                registry_table=data.registry.table_name,
                records_bucket=data.records.bucket_name,
            ),
            timeout=Duration.minutes(2),
        )
        role = _role(function)
        grants.read_rows(role, data.registry)
        grants.get_objects(role, data.records, "verdicts/*")
        grants.list_objects(role, data.records, "verdicts/*")
        actions = ["codepipeline:PutJobSuccessResult", "codepipeline:PutJobFailureResult"]
        # Jobs are no resources to IAM. Who has a job's id may answer it, and we have only our own.
        role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=["*"]))
        return function

    def _preflight(self) -> lambda_.Function:
        function = self._function(
            "Preflight",
            settings.PreflightSettings(
                runs_bucket=self._data.runs.bucket_name,
                attempts_table=self._attempts.table_name,
                sandbox=self._environment.sandbox,
            ),
            timeout=Duration.minutes(15),
            layers=[self._boto3],
        )
        self._ask_agents(_role(function))
        return function

    def _run_case(self) -> lambda_.Function:
        function = self._function(
            "RunCase",
            settings.RunCaseSettings(
                runs_bucket=self._data.runs.bucket_name,
                attempts_table=self._attempts.table_name,
                sandbox=self._environment.sandbox,
                registry_table=self._data.registry.table_name,
                records_bucket=self._data.records.bucket_name,
            ),
            timeout=Duration.minutes(15),
            layers=[self._boto3],
            reserved_concurrency=self._environment.run_case_concurrency,
        )
        role = _role(function)
        self._ask_agents(role)
        grants.read_rows(role, self._data.registry)
        grants.put_rows(role, self._data.registry, "spending")
        return function

    def _end_sessions(self) -> lambda_.Function:
        function = self._function(
            "EndSessions",
            settings.EndSessionsSettings(
                runs_bucket=self._data.runs.bucket_name, sandbox=self._environment.sandbox
            ),
            timeout=Duration.minutes(5),
            layers=[self._boto3],
        )
        self._end_agents_sessions(_role(function))
        return function

    def _sweep_sessions(self) -> lambda_.Function:
        data = self._data
        function = self._function(
            "SweepSessions",
            settings.SweepSessionsSettings(
                registry_table=data.registry.table_name,
                records_bucket=data.records.bucket_name,
                runs_bucket=data.runs.bucket_name,
                sandbox=self._environment.sandbox,
            ),
            timeout=Duration.minutes(5),
            layers=[self._boto3],
        )
        role = _role(function)
        self._end_agents_sessions(role)
        grants.read_rows(role, data.registry)
        grants.put_rows(role, data.registry, "lease")
        starter = iam.Role(self, "SweepRole", assumed_by=service(self, "scheduler.amazonaws.com"))
        scheduler.Schedule(
            self,
            "Sweep",
            description="Driftgate ends the sessions that a killed worker left",
            enabled=self._environment.sweeps,
            schedule=scheduler.ScheduleExpression.rate(Duration.minutes(1)),
            target=targets.LambdaInvoke(
                function,
                role=starter,
                input=scheduler.ScheduleTargetInput.from_object({}),
                max_event_age=Duration.minutes(1),  # the next one comes
                retry_attempts=0,
            ),
        )
        acknowledge_wildcard(starter, f"{function.function_arn}:*", "Versions of one function.")
        return function

    def _score_case(self) -> lambda_.Function:
        function = self._function(
            "ScoreCase",
            settings.ScoreCaseSettings(
                runs_bucket=self._data.runs.bucket_name, ledger_table=self._data.ledger.table_name
            ),
            timeout=Duration.minutes(2),
        )
        role = _role(function)
        self._read_runs(role)
        grants.add_rows(role, self._data.ledger)
        grants.put_objects(role, self._data.runs, "runs/*/scores/*")
        return function

    def _prove_judge(self) -> lambda_.Function:
        function = self._function(
            "ProveJudge",
            settings.ProveJudgeSettings(
                registry_table=self._data.registry.table_name,
                records_bucket=self._data.records.bucket_name,
                runs_bucket=self._data.runs.bucket_name,
            ),
            timeout=Duration.minutes(15),
            layers=[self._boto3],
        )
        self._ask_judges(_role(function), "runs/*/canaries.json")
        return function

    def _judge_case(self) -> lambda_.Function:
        function = self._function(
            "JudgeCase",
            settings.JudgeCaseSettings(
                registry_table=self._data.registry.table_name,
                records_bucket=self._data.records.bucket_name,
                runs_bucket=self._data.runs.bucket_name,
            ),
            timeout=Duration.minutes(15),
            layers=[self._boto3],
            reserved_concurrency=self._environment.judge_case_concurrency,
        )
        self._ask_judges(_role(function), "runs/*/judgments/*", "runs/*/judge-faults/*")
        return function

    def _decide_gate(self) -> lambda_.Function:
        data = self._data
        function = self._function(
            "DecideGate",
            settings.DecideGateSettings(
                registry_table=data.registry.table_name,
                records_bucket=data.records.bucket_name,
                runs_bucket=data.runs.bucket_name,
                gate_mode=self._environment.gate_mode,
            ),
            timeout=Duration.minutes(5),
            memory_mb=1024,
            layers=[
                self._boto3,
                LockedLayer(self, "Numpy", lock="numpy", environment=self._environment),
            ],
        )
        role = _role(function)
        self._look_at_endpoints(role)
        grants.read_rows(role, data.registry)
        self._read_blobs(role)
        self._read_runs(role)
        grants.put_objects(role, data.runs, "runs/*/verdicts/*")
        return function

    def _publish_run(self) -> lambda_.Function:
        data = self._data
        function = self._function(
            "PublishRun",
            settings.PublishRunSettings(
                registry_table=data.registry.table_name,
                records_bucket=data.records.bucket_name,
                runs_bucket=data.runs.bucket_name,
            ),
            timeout=Duration.minutes(5),
            memory_mb=1024,
        )
        role = _role(function)
        self._read_runs(role)
        grants.get_objects(role, data.records, "verdicts/*")
        grants.list_objects(role, data.records, "verdicts/*")
        grants.put_objects(role, data.records, "verdicts/*")
        grants.read_rows(role, data.registry)
        grants.put_rows(role, data.registry, "head", "run", "validated", "override-use")
        return function

    def _choose_drill(self) -> lambda_.Function:
        data, tries = self._data, self._environment.gate_tries
        function = self._function(
            "ChooseDrill",
            settings.ChooseDrillSettings(
                environment=self._environment.name,
                registry_table=data.registry.table_name,
                records_bucket=data.records.bucket_name,
                max_trials=tries.max_trials,
                max_usd=tries.max_usd,
            ),
            timeout=Duration.minutes(5),
            memory_mb=1024,
        )
        role = _role(function)
        grants.read_rows(role, data.registry)
        grants.get_objects(role, data.records, "datasets/*", "verdicts/*")
        grants.list_objects(role, data.records, "datasets/*", "verdicts/*")
        return function

    def _record_drill(self) -> lambda_.Function:
        data = self._data
        function = self._function(
            "RecordDrill",
            settings.RecordDrillSettings(
                environment=self._environment.name,
                registry_table=data.registry.table_name,
                records_bucket=data.records.bucket_name,
                runs_bucket=data.runs.bucket_name,
            ),
            timeout=Duration.minutes(2),
        )
        role = _role(function)
        grants.get_objects(role, data.runs, "runs/*/plan.json", "runs/*/verdicts/*")
        grants.list_objects(role, data.runs, "runs/*")
        grants.read_rows(role, data.registry)
        grants.put_rows(role, data.registry, "drill")
        return function

    def _list_baselines(self) -> lambda_.Function:
        data = self._data
        function = self._function(
            "ListBaselines",
            settings.ListBaselinesSettings(
                environment=self._environment.name,
                registry_table=data.registry.table_name,
                records_bucket=data.records.bucket_name,
            ),
            timeout=Duration.minutes(5),
        )
        grants.read_rows(_role(function), data.registry)
        return function

    def _publish_dataset(self) -> lambda_.Function:
        data = self._data
        # By its ARN, so that what it is allowed stands in this stack and not where it is from.
        role = iam.Role.from_role_arn(self, "Publisher", data.publisher.role_arn)
        function = self._function(
            "PublishDataset",
            settings.PublishDatasetSettings(
                registry_table=data.registry.table_name,
                records_bucket=data.records.bucket_name,
                runs_bucket=data.runs.bucket_name,
            ),
            timeout=Duration.minutes(5),
            memory_mb=1024,
            role=role,
        )
        grants.get_objects(role, data.runs, "uploads/*")
        grants.list_objects(role, data.runs, "uploads/*")
        grants.get_objects(role, data.records, "datasets/*")
        grants.list_objects(role, data.records, "datasets/*")
        grants.put_objects(role, data.records, "datasets/*")
        grants.read_rows(role, data.registry)
        grants.put_rows(role, data.registry, "dataset")
        return function

    def _batch_functions(self) -> dict[str, lambda_.Function]:
        """Those of a batch evaluation; its jobs run under the role of the function that starts."""
        bucket = self._data.runs.bucket_name
        functions = {
            "FindTelemetry": self._batch_function(
                "FindTelemetry", settings.FindTelemetrySettings(runs_bucket=bucket)
            ),
            "StartBatch": self._batch_function(
                "StartBatch", settings.StartBatchSettings(runs_bucket=bucket), "Start"
            ),
            "PollBatch": self._batch_function(  # it starts what there was no room for
                "PollBatch", settings.PollBatchSettings(runs_bucket=bucket), "Start", "Get"
            ),
            "ReadBatch": self._batch_function(
                "ReadBatch", settings.ReadBatchSettings(runs_bucket=bucket), "Get"
            ),
        }
        return {**functions, "RecordBatch": self._record_batch()}

    def _batch_function(
        self, name: str, values: settings.Settings, *operations: str
    ) -> lambda_.Function:
        layers = [self._boto3] if operations else []
        function = self._function(
            name, values, timeout=Duration.minutes(5), memory_mb=1024, layers=layers
        )
        role = _role(function)
        self._read_batches(role)
        written = {"StartBatch": "jobs", "PollBatch": "jobs", "ReadBatch": "reports"}
        if name in written:
            grants.put_objects(role, self._data.runs, f"batches/*/{written[name]}/*")
        access = BatchEvaluationAccess(
            self,
            f"{name}Access",
            roles=[role],
            operations=operations,
            custom_evaluators="Start" in operations,
        )
        if name != "ReadBatch":
            access.grant_read_spans()
        return function

    def _record_batch(self) -> lambda_.Function:
        data = self._data
        function = self._function(
            "RecordBatch",
            settings.RecordBatchSettings(
                registry_table=data.registry.table_name,
                records_bucket=data.records.bucket_name,
                runs_bucket=data.runs.bucket_name,
            ),
            timeout=Duration.minutes(1),
        )
        role = _role(function)
        self._read_batches(role)
        grants.read_rows(role, data.registry)
        grants.put_rows(role, data.registry, "batch")
        return function

    def _read_batches(self, role: iam.IRole) -> None:
        grants.get_objects(role, self._data.runs, "batches/*")
        grants.list_objects(role, self._data.runs, "batches/*")

    def _answer_tools(self, name: str, values: settings.CallToolSettings) -> lambda_.Function:
        """The mock tools behind a Gateway, as a target's function or as its interceptor."""
        function = self._function(name, values, timeout=Duration.minutes(1))
        grants.read_and_write_rows(_role(function), self._attempts)
        return function

    def _ask_agents(self, role: iam.IRole) -> None:
        """Hold a conversation: any agent of this account, its tools, and what it leaves behind."""
        self._read_runs(role)
        grants.put_objects(role, self._data.runs, "runs/*")
        grants.read_and_write_rows(role, self._attempts)
        self._let(role, "InvokeAgentRuntime", "StopRuntimeSession")

    def _end_agents_sessions(self, role: iam.IRole) -> None:
        self._read_runs(role)
        grants.put_objects(role, self._data.runs, "runs/*/attempts/*")
        self._let(role, "StopRuntimeSession")

    def _look_at_endpoints(self, role: iam.IRole) -> None:
        """See which version an agent's endpoint serves, at the start and at the end of a run."""
        self._let(role, "GetAgentRuntimeEndpoint")

    def _let(self, role: iam.IRole, *operations: str) -> None:
        """On any agent: which there are is in their manifests, so it is not known here."""
        agents = self.format_arn(service="bedrock-agentcore", resource="runtime", resource_name="*")
        actions = [f"bedrock-agentcore:{operation}" for operation in operations]
        role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=[agents]))
        acknowledge_wildcard(role, agents, "Any agent of this account may be put to the test.")

    def _ask_judges(self, role: iam.IRole, *written: str) -> None:
        """Read what is judged, ask the environment's judges, keep their answers, count the cost."""
        data = self._data
        self._read_runs(role)
        grants.get_objects(role, data.runs, "judgments/*")
        grants.list_objects(role, data.runs, "judgments/*")
        grants.put_objects(role, data.runs, "judgments/*", *written)
        grants.read_rows(role, data.registry)
        grants.put_rows(role, data.registry, "judging", "spending")
        grants.ask_judges(role, self._environment.judge.model, *self._environment.judges)

    def _read_runs(self, role: iam.IRole) -> None:
        grants.get_objects(role, self._data.runs, "runs/*")
        grants.list_objects(role, self._data.runs, "runs/*")

    def _read_blobs(self, role: iam.IRole) -> None:
        grants.get_objects(role, self._data.records, "datasets/*", "agents/*")
        grants.list_objects(role, self._data.records, "datasets/*", "agents/*")


def _role(function: lambda_.Function) -> iam.IRole:
    assert function.role is not None
    return function.role
