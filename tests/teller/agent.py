"""A bank teller in a few lines. How it behaves is set by TELLER, as its versions do, or by
TELLER_UNSEEN, of which its manifest says nothing.

fine      reads the balance and pays
units     shows the balance a hundred times too small
crash     breaks on the case with "crash" in its text
die       ends its process there
html      answers with a page instead of its contract's JSON
slow      takes longer than its limit where the text says "slow"
loop      never stops calling
odd       reports more tokens there than there are
careful   asks for an account that there is not, and says what the tool said
"""

import json
import os
import re
import time

from driftgate.agentkit.serve import ToolFailed

BEHAVIOUR = os.environ.get("TELLER_UNSEEN") or os.environ.get("TELLER", "fine")


def answer(payload, context):
    text = payload["prompt"]
    if BEHAVIOUR == "html":
        return "<html>under construction</html>"
    if BEHAVIOUR == "crash" and "crash" in text:
        raise RuntimeError("the teller fainted")
    if BEHAVIOUR == "die" and "crash" in text:
        os._exit(7)
    if BEHAVIOUR == "slow" and "slow" in text:
        time.sleep(30)
    time.sleep(float(os.environ.get("TELLER_THINKS_S", "0")))
    account = re.search(r"A\d", text)
    if account is None:
        return {"answer": "Which account?"}
    while BEHAVIOUR == "loop":
        try:
            context.tools.call("balance", account=account[0])
        except Exception as error:  # noqa: BLE001  gives up on whatever it is
            return {"answer": f"I gave up: {error}"}
    if BEHAVIOUR == "odd" and "crash" in text:
        return {"answer": "hi", "tokens": 10**400}
    if BEHAVIOUR == "careful":
        try:
            context.tools.call("balance", account="A9")
        except ToolFailed as error:
            return {"answer": f"It said {error}"}
    if "pay" in text:
        paid = json.loads(context.tools.call("pay", account=account[0], amount=500))
        return {"answer": f"Paid 5.00 EUR, {paid['id']}."}
    cents = json.loads(context.tools.call("balance", account=account[0]))["balance"]
    shown = cents / (10_000 if BEHAVIOUR == "units" else 100)
    return {"answer": f"You have {shown:,.2f} EUR.", "tokens": len(text)}
