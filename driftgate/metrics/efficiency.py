"""What a trial took; compared, and a reason to block only where a policy sets a limit."""

from driftgate.metrics.tools import unnecessary_tools
from driftgate.schemas.cases import Case
from driftgate.schemas.scores import Efficiency
from driftgate.schemas.traces import Trace


def efficiency(case: Case, trace: Trace) -> Efficiency:
    """Latency (seconds, all replies together), tokens, cost (USD), steps (tool calls), and how many
    of the calls were unnecessary. None where the source does not say.
    """
    unnecessary = unnecessary_tools(case, trace)
    return Efficiency(
        latency_s=trace.latency_s,
        input_tokens=trace.usage.input_tokens,
        output_tokens=trace.usage.output_tokens,
        cost_usd=trace.cost_usd,
        steps=len(trace.calls),
        unnecessary_calls=len(unnecessary),
        unnecessary_tools=unnecessary,
    )
