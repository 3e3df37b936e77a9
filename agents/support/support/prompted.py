"""What a model makes of its prompt and of the tools' schemas whenever it uses a tool."""

import re
from contextlib import suppress
from typing import Any

from support import reading
from support.chat import ACTING, Chat, Failed

ABSENT = {"ACCOUNT_NOT_FOUND", "CUSTOMER_NOT_FOUND", "NO_RATE"}
OTHER_NAMES = {"not_recognised": "unauthorised"}  # what most call it; said to a tool that knows it


class PromptedChat(Chat):
    """A chat in which the prompt says how tools are used.

    It may want to know who it talks to, what was looked up to be looked up again, what is not there
    to be looked for until it is, and what was done to be done once more unless it is confirmed.
    """

    def identify(self) -> None:
        known = reading.email(self.heard) or reading.ids(self.heard, "CUS")
        if known and self._told("look up who you talk to"):
            with suppress(Failed):  # whoever needs to know it says so
                self.customer()

    def use(self, purpose: str, **facts: Any) -> Any:
        facts = {name: self._in_words_of_the_tool(purpose, name, v) for name, v in facts.items()}
        if not purpose.startswith(ACTING):
            found = self._look(purpose, facts)
            return self._look(purpose, facts) if self._told("look it up again") else found
        done = super().use(purpose, **facts)
        if self._told("do it once more") and done["status"] != "confirmed":
            with suppress(Failed):
                super().use(purpose, **facts)
        return done

    def _look(self, purpose: str, facts: dict[str, Any]) -> Any:
        while True:
            try:
                return super().use(purpose, **facts)
            except Failed as failed:
                if failed.code not in ABSENT or not self._told("look until it is there"):
                    raise

    def _in_words_of_the_tool(self, purpose: str, argument: str, value: Any) -> Any:
        schema = self._tool_for(purpose)["inputSchema"]["json"]["properties"].get(argument, {})
        other = OTHER_NAMES.get(value) if isinstance(value, str) else None
        offered = re.findall(r"\w+", schema.get("description", ""))  # a Gateway shows no enum
        return other if other in (*schema.get("enum", ()), *offered) else value

    def _told(self, words: str) -> bool:
        return words in " ".join(self._prompt.split())
