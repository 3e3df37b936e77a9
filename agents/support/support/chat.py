"""The conversation as the policy reads it, and the tools it may use."""

import json
import random
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from support import reading

TRANSIENT = {"TIMEOUT", "THROTTLED", "INTERNAL_ERROR"}
ACTING = ("transfer", "block", "dispute", "change", "open")  # what a purpose that acts begins with


@dataclass(frozen=True)
class ToolUse(Exception):
    """Ends a step: the model asks for this tool."""

    tool: str
    arguments: dict[str, Any]


class Say(Exception):
    """Ends a step: the model says this."""


@dataclass(frozen=True)
class Failed(Exception):
    """A tool said no, or broke."""

    code: str
    message: str


class Chat:
    """What a model is given: messages, tools and prompt, and a source of noise.

    `use` returns a tool's result if this turn already has it. If not, it ends the step by asking
    for the tool; the next step tells the same story again with one more result.
    """

    def __init__(
        self, messages: list[Any], tools: list[Any], prompt: str, noise: random.Random
    ) -> None:
        self._tools = tools
        self._prompt = prompt
        self._noise = noise
        self._results = results_of_this_turn(messages)
        self._used = 0
        texts = spoken(messages)
        self.heard = " ".join(text for role, text in texts if role == "user")
        self.request, self.confirmed = request_of(texts)
        self.german = reading.is_german(self.request)

    def asks(self, pattern: str) -> bool:
        return re.search(pattern, self.request, re.IGNORECASE) is not None

    def chance(self, probability: float) -> bool:
        return self._noise.random() < probability

    def words(self, *variants: str) -> str:
        """One of the phrasings, in the customer's language: English, German, English, German, …"""
        english, german = self._noise.choice(list(zip(variants[::2], variants[1::2], strict=True)))
        return german if self.german else english

    def closing(self, text: str) -> str:
        if "anything else" not in self._prompt:
            return text
        return f"{text} {self.words('Is there anything else?', 'Kann ich sonst noch helfen?')}"

    def apology(self, failed: Failed) -> str:
        if failed.code in TRANSIENT:
            return self.words(
                "I'm sorry, our systems did not answer. Please try again in a few minutes.",
                "Leider antworten unsere Systeme nicht. Bitte versuchen Sie es gleich noch einmal.",
            )
        return self.words(
            f"I'm sorry, that is not possible: {failed.message}",
            f"Das ist leider nicht möglich: {failed.message}",
        )

    def use(self, purpose: str, **facts: Any) -> Any:
        """The result of the tool for this purpose, called with those facts that it takes.

        A tool that reads is tried again when it breaks; one that acts is not, as it may have acted.
        """
        tries = 1 if purpose.startswith(ACTING) else 3
        for left in reversed(range(tries)):
            try:
                return self._use_once(purpose, facts)
            except Failed as failed:
                if failed.code not in TRANSIENT or not left:
                    raise
        raise AssertionError("a purpose is tried at least once")

    def value(self, amount: float, currency: str) -> Decimal:
        """An amount of a tool result in currency units, if the prompt says that it is in cents."""
        hundredths = "in cents" in self._prompt and currency != "JPY"
        return Decimal(str(amount)) / (100 if hundredths else 1)

    def money(self, amount: float, currency: str) -> str:
        return reading.money(self.value(amount, currency), currency, self.german)

    def customer(self) -> Any:
        """Who we talk to, looked up by what they told us."""
        email, known = reading.email(self.heard), reading.ids(self.heard, "CUS")
        if known:
            return self.use("find customer", customer_id=known[0])
        if email:
            return self.use("find customer", email=email)
        raise Say(
            self.words(
                "Could you tell me your customer id or the email address we know?",
                "Wie ist Ihre Kundennummer oder Ihre E-Mail-Adresse?",
            )
        )

    def accounts(self) -> list[str]:
        """The accounts that are meant: named in the request, or the customer's of that kind."""
        named, earlier = reading.ids(self.request, "ACC"), reading.ids(self.heard, "ACC")
        about_all = self.asks(r"\b(all|total|together|alle|insgesamt)\b")
        if named or (earlier and not about_all):
            return named or earlier[-1:]
        if reading.email(self.heard) or reading.ids(self.heard, "CUS"):
            owned = self.customer()["accounts"]
            for kind, words in (("savings", "saving|spar"), ("checking", "checking|current|giro")):
                if self.asks(words):
                    owned = [account for account in owned if account["kind"] == kind]
            if len(owned) == 1 or about_all:
                return [account["account_id"] for account in owned]
        raise Say(self.words("Which account do you mean?", "Welches Konto meinen Sie?"))

    def _use_once(self, purpose: str, facts: dict[str, Any]) -> Any:
        if self._used == len(self._results):
            tool = self._tool_for(purpose)
            raise ToolUse(tool["name"], fitting_arguments(tool, facts))
        self._used += 1
        text, is_error = self._results[self._used - 1]
        try:
            value = json.loads(text)
        except ValueError as error:
            raise Failed("INTERNAL_ERROR", "the answer could not be read") from error
        if is_error or is_problem(value):
            raise Failed(str(value["error"]), str(value["message"]))
        return value

    def _tool_for(self, purpose: str) -> Any:
        """The tool whose name and description share the most words with the purpose."""

        def shared(tool: Any) -> int:
            name = tool["name"].replace("_", " ")
            words = re.findall(r"[a-z]+", f"{name} {name} {tool['description']}".lower())
            return sum(words.count(word) for word in purpose.split())

        best = max(self._tools, key=shared, default=None)
        if best is None or shared(best) == 0:
            raise Failed("NO_TOOL", f"I have no way to {purpose}.")
        return best


def is_problem(value: Any) -> bool:
    """A tool behind a gateway can't flag an error; it answers with one."""
    return isinstance(value, dict) and value.keys() == {"error", "message"}


def request_of(texts: list[tuple[str, str]]) -> tuple[str, bool]:
    """What the customer wants now, and whether they have just confirmed it.

    As long as we answered with a question, the request goes on: "My balance?" "Which account?"
    "ACC-1001".
    """
    parts = [texts[-1][1]]
    confirmed = False
    for index in range(len(texts) - 2, 0, -2):
        question = texts[index][1].rstrip()
        if not question.endswith("?") or question.endswith(("anything else?", "noch helfen?")):
            break
        if re.search(r"confirm|bestätigen", question, re.IGNORECASE):
            confirmed |= bool(re.match(r"\W*(yes|ja|go ahead|confirm|ok)", parts[0], re.IGNORECASE))
        parts.insert(0, texts[index - 1][1])
    return " ".join(parts), confirmed


def fitting_arguments(tool: Any, facts: dict[str, Any]) -> dict[str, Any]:
    """Of the facts what the tool's schema takes, in the unit that its description asks for."""
    arguments: dict[str, Any] = {}
    for name, schema in tool["inputSchema"]["json"]["properties"].items():
        value = facts.get(name)
        if isinstance(value, Decimal):
            value = value * 100 if "cents" in schema.get("description", "") else value
            value = int(value) if schema["type"] == "integer" else float(value)
        if value is not None:
            arguments[name] = value
    return arguments


def spoken(messages: list[Any]) -> list[tuple[str, str]]:
    """Who said what, tool traffic left out."""
    said = []
    for message in messages:
        text = " ".join(block["text"] for block in message["content"] if "text" in block)
        if text:
            said.append((message["role"], text))
    return said


def results_of_this_turn(messages: list[Any]) -> list[tuple[str, bool]]:
    """Text and error flag of each tool result since the customer last spoke."""
    results: list[tuple[str, bool]] = []
    for message in messages:
        for block in message["content"]:
            if message["role"] == "user" and "text" in block:
                results = []
            if "toolResult" in block:
                result = block["toolResult"]
                text = "".join(part.get("text", "") for part in result["content"])
                results.append((text, result["status"] == "error"))
    return results
