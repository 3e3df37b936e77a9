"""Names that more than one place must spell the same way."""

HOME_VARIABLE = "DRIFTGATE_HOME"
RUNTIME_SESSION_HEADER = "x-amzn-bedrock-agentcore-runtime-session-id"
VERSION_ATTRIBUTE = "driftgate.agent.version"  # of a span, or of the process that wrote it
TASK_TYPE_ATTRIBUTE = "driftgate.task_type"
TOOLS_URL_VARIABLE = "DRIFTGATE_TOOLS_URL"  # where an agent started by us finds its tools

EVALUATION_VARIABLE = "DRIFTGATE_EVALUATION"  # "1" in a runtime of the evaluation sandbox

METRIC_NAMESPACE = "Driftgate"
TRACES_STORED = "TracesStored"
SCORES_COMPUTED = "ScoresComputed"
JUDGMENTS_MADE = "JudgmentsMade"
JUDGE_FAULTS = "JudgeFaults"
# Of the gate when it is tried, with the dimensions {agent, monitor}.
FALSE_BLOCK_RATE = "FalseBlockRate"
FALSE_BLOCK_RATE_LOWER = "FalseBlockRateLower"
FALSE_BLOCK_RATE_UPPER = "FalseBlockRateUpper"
FALSE_BLOCKS = "FalseBlocks"
AA_RUNS = "AaRuns"
DRILL_BLOCKED = "DrillBlocked"
DRILLS_MISSED = "DrillsMissed"
SPENT_TRIALS = "SpentTrials"
TRY_FAILED = "TryFailed"
TRY_ENDED = "TryEnded"  # as it should: with a verdict, or with nobody to try
ALL_AGENTS = "ALL"  # the agent of what is told over all of them; none may be called so


def gate_monitor(environment: str) -> str:
    """The monitor of an environment's gate: an account may hold several environments."""
    return f"gate-{environment}"
