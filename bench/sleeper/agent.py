"""An agent that takes a second and says yes: what a run costs beyond it is the orchestration."""

import time
from typing import Any


def answer(payload: Any, context: Any) -> dict[str, str]:
    time.sleep(1)
    return {"answer": "Yes."}
