"""Names that more than one place must spell the same way."""

HOME_VARIABLE = "DRIFTGATE_HOME"
RUNTIME_SESSION_HEADER = "x-amzn-bedrock-agentcore-runtime-session-id"
TOOLS_URL_VARIABLE = "DRIFTGATE_TOOLS_URL"  # where an agent started by us finds its tools

METRIC_NAMESPACE = "Driftgate"
TRACES_STORED = "TracesStored"
SCORES_COMPUTED = "ScoresComputed"
