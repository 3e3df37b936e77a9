"""What an account lets run at a time, as far as its environment does not say."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from driftgate.schemas.capacity import Quotas

FOR_RUN_CASE = 0.7  # of what nobody reserved; CallTool answers while RunCase waits, out of the rest


def with_functions(quotas: Quotas, lambda_: Any) -> Quotas:
    """The quotas with the concurrency of functions that RunCase finds, if none is reserved for it.

    Who may not ask does not know it.
    """
    if quotas.functions is not None:
        return quotas
    try:
        limits = lambda_.get_account_settings()["AccountLimit"]
    except (ClientError, BotoCoreError):
        return quotas
    free = int(limits["UnreservedConcurrentExecutions"] * FOR_RUN_CASE)
    return quotas.model_copy(update={"functions": max(1, free)})
