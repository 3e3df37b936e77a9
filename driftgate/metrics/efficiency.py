"""What a trial took; reported and compared, never a reason to block by itself."""

from driftgate.metrics.tools import unnecessary_calls
from driftgate.schemas.cases import Case
from driftgate.schemas.scores import Efficiency
from driftgate.schemas.traces import Trace


def efficiency(case: Case, trace: Trace) -> Efficiency:
    """Latency (seconds, all replies together), tokens, cost (USD), steps (tool calls), and how many
    of the calls were unnecessary. None where the source does not say.
    """
    return Efficiency(
        latency_s=trace.latency_s,
        input_tokens=trace.usage.input_tokens,
        output_tokens=trace.usage.output_tokens,
        cost_usd=trace.cost_usd,
        steps=len(trace.calls),
        unnecessary_calls=unnecessary_calls(case, trace),
    )
