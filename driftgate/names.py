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
# Of production, counted by the functions.
SPANS_INGESTED = "SpansIngested"
SPANS_LATE = "SpansLate"
SPANS_DROPPED = "SpansDropped"
SPANS_UNREADABLE = "SpansUnreadable"
SPANS_UNKNOWN = "SpansUnknown"
SESSIONS_CLOSED = "SessionsClosed"
SESSIONS_UNREADABLE = "SessionsUnreadable"
SESSIONS_LEFT_OUT = "SessionsLeftOut"  # drawn, and more than a window has time to judge
CANDIDATES_FOUND = "CandidatesFound"
# Of production, one level for each window, with the dimensions {agent, monitor}.
CUSUM_RATIO = "CusumRatio"
LATENCY_RATIO = "LatencyRatio"
TURN_LIMIT_RATE = "TurnLimitRate"
UNRECOVERED_ERROR_RATE = "UnrecoveredErrorRate"
ESCALATION_RATE = "EscalationRate"
JUDGE_FAULT_RATE = "JudgeFaultRate"
COVERAGE = "Coverage"
NEGATIVE_COVERAGE = "NegativeFeedbackCoverage"
BUDGET_USED = "BudgetUsed"
WINDOWS_PUBLISHED = "WindowsPublished"
# And of versions, by task type or by tool, never by both.
SESSIONS = "Sessions"
QUALITY = "Quality"
QUALITY_LOWER = "QualityLower"
QUALITY_UPPER = "QualityUpper"
LATENCY_P50 = "LatencyP50"  # seconds of a call; of tools alone
LATENCY_P95 = "LatencyP95"
ALL_AGENTS = "ALL"  # the agent of what is told over all of them; none may be called so


def online_monitor(environment: str) -> str:
    """The monitor of what an environment has in production."""
    return f"online-{environment}"


def gate_monitor(environment: str) -> str:
    """The monitor of an environment's gate: an account may hold several environments."""
    return f"gate-{environment}"


# By which the ledger's rows are asked for in a deployed environment, the narrowest first.
LEDGER_INDEXES = ("run_id", "organisation", "model", "dataset", "agent", "every")
