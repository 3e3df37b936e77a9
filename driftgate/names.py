"""Names that more than one place must spell the same way."""

HOME_VARIABLE = "DRIFTGATE_HOME"
RUNTIME_SESSION_HEADER = "x-amzn-bedrock-agentcore-runtime-session-id"
SESSION_HEADER = "x-driftgate-session"  # in which an agent passes its session id on to its tools
TOOLS_URL_VARIABLE = "DRIFTGATE_TOOLS_URL"  # where an agent started by us finds its tools
