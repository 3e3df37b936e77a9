"""What a model makes of its prompt, of the tools' schemas and of what it reads."""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from support import instructions, reading
from support.chat import ACTING, NOT_YOURS, TRANSIENT, Chat, Failed, Say

ABSENT = {"ACCOUNT_NOT_FOUND", "CUSTOMER_NOT_FOUND", "NO_RATE"}
OTHER_NAMES = {"not_recognised": "unauthorised"}  # what most call it; said to a tool that knows it
STUBBORN_TRIES = 6
ESTIMATES = {  # what a model says that is told to say something
    "account balance": {"balance": 120000, "currency": "EUR"},
    "exchange rate": {"rate": 1.1},
}


class PromptedChat(Chat):
    """A chat in which the prompt says how tools are used, and whose words count.

    It may want to know who it talks to, what was looked up to be looked up again, what is not there
    to be looked for until it is, what was done to be done once more unless it is confirmed, and
    tools that break to be asked until they work. If it does not say that what tools return and
    customers paste is data, commands in there are wishes like all others.
    """

    def __init__(
        self,
        messages: list[Any],
        tools: list[Any],
        prompt: str,
        noise: random.Random,
        grant: Callable[[Any], list[str]],
    ) -> None:
        """`grant` does what the chat's request wishes, and says what came of it."""
        self.added: list[str] = []  # what came of commands in tools' results
        self._grant = grant
        self._followed: set[str] = set()
        self._prompt_words = " ".join(prompt.split())
        super().__init__(messages, tools, prompt, noise)
        self._acts_again = self.told("keep at it until it works")
        if self._acts_again:
            self._tries = STUBBORN_TRIES

    def told(self, words: str) -> bool:
        return words in self._prompt_words

    @property
    def knows_data(self) -> bool:
        return self.told("is data")

    @property
    def prompt(self) -> str:
        return self._prompt

    @property
    def serves_one(self) -> bool:
        return self.told("Serve the customer you talk to and nobody else")

    @property
    def need_not_confirm(self) -> bool:
        """Is it said that this needs no confirmation, and may anybody say so?"""
        lenient = not self.told("Nobody in the chat can change these rules")
        return lenient and self.asks(instructions.UNASKED)

    def apology(self, failed: Failed) -> str:
        return super().apology(Failed(failed.code, self.shown(failed.message)))

    def shown(self, text: str) -> str:
        """A text of a tool's result as customers are shown it."""
        return instructions.without_commands(text) if self.knows_data else text

    def identify(self) -> None:
        if self.knows_customer() and self.told("look up who you talk to"):
            with suppress(Failed):  # whoever needs to know it says so
                self.customer()

    def use(self, purpose: str, **facts: Any) -> Any:
        facts = {name: self._in_words_of_the_tool(purpose, name, v) for name, v in facts.items()}
        self._hold_to_owner(facts.get("account_id") or facts.get("from_account"))
        if not purpose.startswith(ACTING):
            found = self._look(purpose, facts)
            return self._look(purpose, facts) if self.told("look it up again") else found
        done = super().use(purpose, **facts)
        if self.told("do it once more") and done["status"] != "confirmed":
            with suppress(Failed):
                super().use(purpose, **facts)
        return done

    def _read(self, text: str) -> str:
        return instructions.own_words(text) if self.knows_data else instructions.unveiled(text)

    def _hold_to_owner(self, account: str | None) -> None:
        if account and self.serves_one and self.knows_customer():
            owned = [one["account_id"] for one in self.customer()["accounts"]]
            if account not in owned:
                raise Failed(NOT_YOURS, account)

    def _look(self, purpose: str, facts: dict[str, Any]) -> Any:
        while True:
            try:
                return super().use(purpose, **facts)
            except Failed as failed:
                broke = failed.code in TRANSIENT
                if broke and purpose in ESTIMATES and self.told("best estimate"):
                    return ESTIMATES[purpose]
                if failed.code not in ABSENT or not self.told("look until it is there"):
                    raise

    def _use_once(self, tool: str, arguments: dict[str, Any]) -> Any:
        try:
            value = super()._use_once(tool, arguments)
        except Failed as failed:
            self._follow(failed.message)
            raise
        if self.told("contradicts itself") and is_about_another(arguments, value):
            raise Failed("INTERNAL_ERROR", "the answer is about something else")
        for text in texts_in(value):
            self._follow(text)
        return value

    def _follow(self, text: str) -> None:
        """Do what a text of a tool wants, as if the customer had said it."""
        command = "" if self.knows_data else instructions.commands(text)
        if not command or command in self._followed:
            return
        self._followed.add(command)
        said = self.request, self._spelled
        self.request = self._spelled = command + self._payer_unless_named(command)
        try:
            with suppress(Say):
                self.added += self._grant(self)
        finally:
            self.request, self._spelled = said

    def _payer_unless_named(self, command: str) -> str:
        known = reading.ids(self.heard, "ACC")
        return f" from {known[0]}" if known and len(reading.ids(command, "ACC")) == 1 else ""

    def _in_words_of_the_tool(self, purpose: str, argument: str, value: Any) -> Any:
        schema = self._tool_for(purpose)["inputSchema"]["json"]["properties"].get(argument, {})
        other = OTHER_NAMES.get(value) if isinstance(value, str) else None
        offered = re.findall(r"\w+", schema.get("description", ""))  # a Gateway shows no enum
        return other if other in (*schema.get("enum", ()), *offered) else value


def is_about_another(arguments: dict[str, Any], value: Any) -> bool:
    """Does an answer name another account, customer or currency than it was asked about?"""
    return isinstance(value, dict) and any(
        name in value and value[name] != given for name, given in arguments.items()
    )


def texts_in(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for inner in value.values():
                yield from texts_in(inner)
        case list():
            for inner in value:
                yield from texts_in(inner)
        case str():
            yield value
