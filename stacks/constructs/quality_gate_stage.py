"""The quality gate as a stage of any CodePipeline V2 pipeline; docs/pipeline.md shows its use.

It needs aws-cdk-lib alone, so that a team can copy this file into its own app.
"""

from aws_cdk import Fn
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codepipeline_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct


class QualityGateStage(Construct):
    """Evaluate one stored version of an agent, and go on if its verdict lets it pass.

    The pipeline goes on with `version` and `digest` of this object, not with what it gave: they
    are those of the verdict. `run_id`, `outcome` and `effective` are there for people.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        pipeline: codepipeline.Pipeline,
        environment: str,
        agent: str,
        version: str,
        digest: str,
        suite: str = "regression",
        stage_name: str = "QualityGate",
    ) -> None:
        """Add the stage to a pipeline.

        Args:
            environment: the deployed environment of Driftgate that evaluates, of the pipeline's
                account and region.
            agent: the agent's id.
            version: the candidate; published there by an earlier action, whose variable it may be.
            digest: what `driftgate agent publish` said of it.
            suite: `regression`, or `adversarial` in a stage of its own name.
        """
        super().__init__(scope, id)
        evaluate = actions.StepFunctionInvokeAction(
            action_name="Evaluate",
            run_order=1,
            variables_namespace=f"{stage_name}Evaluate",
            state_machine=sfn.StateMachine.from_state_machine_arn(
                self, "OfflineEval", _imported(environment, "OfflineEvalArn")
            ),
            state_machine_input=actions.StateMachineInput.literal(
                {
                    "agent": agent,
                    "version": version,
                    "environment": environment,
                    "suite": suite,
                }
            ),
        )
        decide = actions.LambdaInvokeAction(
            action_name="Decide",
            run_order=2,
            lambda_=lambda_.Function.from_function_arn(
                self, "AnswerPipeline", _imported(environment, "AnswerPipelineArn")
            ),
            user_parameters={
                "execution": f"#{{{stage_name}Evaluate.ExecutionArn}}",
                "agent": agent,
                "version": version,
                "digest": digest,
                "suite": suite,
            },
        )
        pipeline.add_stage(stage_name=stage_name, actions=[evaluate, decide])
        self.run_id = decide.variable("RunId")
        self.outcome = decide.variable("Outcome")
        self.effective = decide.variable("Effective")
        self.version = decide.variable("Version")
        self.digest = decide.variable("Digest")


def _imported(environment: str, name: str) -> str:
    return Fn.import_value(f"Driftgate-{environment}-Evaluation-{name}")
