"""The conversation as the policy reads it, and the tools it may use."""

import json
import random
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from support import reading

TRIES = 3
NOT_DONE = {"THROTTLED"}  # a tool that says so has surely done nothing
TRANSIENT = {*NOT_DONE, "TIMEOUT", "INTERNAL_ERROR"}
UNSURE = "UNSURE"  # a tool that acts broke: it may have acted
NOT_YOURS = "NOT_YOURS"
AGAIN = (
    r"\b(?:try (?:it |that )?again|once more|noch ?(?:ein)?mal (?:versuchen|probieren)"
    r"|versuchen sie es noch ?(?:ein)?mal|réessaye[rz]?)\b"
)
YES = r"\W*(yes|yep|ja|go ahead|confirm|ok|sure|oui|d'accord)\b"
NO = r"\W*(no|nope|nein|non|cancel|stop|don't)\b"
REFUSED_TWICE = ("block", "dispute")  # purposes whose tools do not do a thing twice
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
        self._customer: Any = None
        self._tries, self._acts_again = TRIES, False
        texts = spoken(messages)
        texts = [(role, self._read(text) if role == "user" else text) for role, text in texts]
        self.heard = " ".join(text for role, text in texts if role == "user")
        self.request, turns = request_of(texts)
        self.confirmed, self.declined = confirmation(texts, turns)
        self._done, self._unsure = done_before(messages, turns)
        self.language = reading.language(self.request)
        self._spelled = reading.respelled(self.request)

    def _read(self, text: str) -> str:
        """What of a customer's message counts as said by them."""
        return text

    def asks(self, pattern: str) -> bool:
        return re.search(pattern, self._spelled, re.IGNORECASE) is not None

    def chance(self, probability: float) -> bool:
        return self._noise.random() < probability

    def words(self, *variants: str, french: str = "") -> str:
        """One of the phrasings, in the customer's language: English, German, English, German, …"""
        english, german = self._noise.choice(list(zip(variants[::2], variants[1::2], strict=True)))
        return {"en": english, "de": german, "fr": french or english}[self.language]

    def closing(self, text: str) -> str:
        if "anything else" not in self._prompt:
            return text
        more = self.words(
            "Is there anything else?", "Kann ich sonst noch helfen?", french="Autre chose ?"
        )
        return f"{text} {more}"

    def apology(self, failed: Failed) -> str:
        if failed.code == NOT_YOURS:
            return self.words(
                "I'm sorry, I can only serve you with what is yours. For this I can open a ticket "
                "for a colleague.",
                "Leider kann ich nur zeigen und ändern, was Ihnen gehört. Dafür kann ich ein "
                "Ticket für einen Kollegen eröffnen.",
                french="Je ne peux vous servir que pour ce qui est à vous. Pour cela, je peux "
                "ouvrir un ticket pour un collègue.",
            )
        if failed.code == UNSURE:
            return self.words(
                "I'm sorry, our systems did not answer, so I can't tell if it went through. I will "
                "not simply repeat it; I can open a ticket for a colleague who checks.",
                "Leider antworten unsere Systeme nicht, ich weiß also nicht, ob es angekommen "
                "ist. Ich wiederhole es nicht einfach; ich kann ein Ticket für einen Kollegen "
                "eröffnen, der nachsieht.",
                french="Nos systèmes ne répondent pas, je ne sais donc pas si c'est passé. Je ne "
                "le répète pas simplement ; je peux ouvrir un ticket pour un collègue.",
            )
        if failed.code in TRANSIENT:
            return self.words(
                "I'm sorry, our systems did not answer. Please try again in a few minutes, or let "
                "me open a ticket.",
                "Leider antworten unsere Systeme nicht. Bitte versuchen Sie es gleich noch "
                "einmal, oder ich eröffne ein Ticket.",
                french="Nos systèmes ne répondent pas. Merci de réessayer dans quelques minutes, "
                "ou j'ouvre un ticket.",
            )
        return self.words(
            f"I'm sorry, that is not possible: {failed.message}",
            f"Das ist leider nicht möglich: {failed.message}",
            french=f"Ce n'est malheureusement pas possible : {failed.message}",
        )

    def use(self, purpose: str, **facts: Any) -> Any:
        """The result of the tool for this purpose, called with those facts that it takes.

        A tool that reads is tried again when it breaks. One that acts is not, as it may have acted,
        unless it was throttled; and what was done in an earlier turn of this request stays done.
        """
        acts = purpose.startswith(ACTING)
        tool = self._tool_for(purpose)
        arguments = fitting_arguments(tool, facts)
        call = one_call(tool["name"], arguments)
        if acts and call in self._done:
            return self._done[call]
        if call in self._unsure and acts and not purpose.startswith(REFUSED_TWICE):
            raise Failed(UNSURE, "")
        worth_another = TRANSIENT if not acts or self._acts_again else NOT_DONE
        for left in reversed(range(self._tries)):
            try:
                return self._use_once(tool["name"], arguments)
            except Failed as failed:
                if failed.code in worth_another and left:
                    continue
                if acts and failed.code in TRANSIENT - NOT_DONE:
                    raise Failed(UNSURE, failed.message) from failed
                raise
        raise AssertionError("a purpose is tried at least once")

    def unsure(self, purpose: str, **facts: Any) -> bool:
        """Did a tool break in an earlier turn of the request, so that it may have done this?"""
        return self._call(purpose, facts) in self._unsure

    def settle(self, purpose: str, **facts: Any) -> None:
        """It is sure now that this was not done."""
        self._unsure.discard(self._call(purpose, facts))

    def earlier(self, purpose: str, **facts: Any) -> Any:
        """What this tool answered in an earlier turn of the request, or None."""
        return self._done.get(self._call(purpose, facts))

    def _call(self, purpose: str, facts: dict[str, Any]) -> str:
        tool = self._tool_for(purpose)
        return one_call(tool["name"], fitting_arguments(tool, facts))

    def value(self, amount: float, currency: str) -> Decimal:
        """An amount of a tool result in currency units, if the prompt says that it is in cents."""
        hundredths = "in cents" in self._prompt and currency != "JPY"
        return Decimal(str(amount)) / (100 if hundredths else 1)

    def money(self, amount: float, currency: str) -> str:
        return reading.money(self.value(amount, currency), currency, self.language)

    def knows_customer(self) -> bool:
        return bool(reading.email(self.heard) or reading.ids(self.heard, "CUS"))

    def customer(self) -> Any:
        """Who we talk to, looked up once in a turn by what they told us last."""
        email, known = reading.email(self.heard), reading.ids(self.request, "CUS")
        known = known or reading.ids(self.heard, "CUS")
        if self._customer is None and known:
            self._customer = self.use("find customer", customer_id=known[0])
        elif self._customer is None and email:
            self._customer = self.use("find customer", email=reading.email(self.request) or email)
        if self._customer is None:
            raise Say(
                self.words(
                    "Could you tell me your customer id or the email address we know?",
                    "Wie ist Ihre Kundennummer oder Ihre E-Mail-Adresse?",
                    french="Quel est votre numéro de client ou votre adresse e-mail ?",
                )
            )
        return self._customer

    def accounts(self) -> list[str]:
        """The accounts that are meant: named in the request, or the customer's of that kind."""
        named, earlier = reading.ids(self.request, "ACC"), reading.ids(self.heard, "ACC")
        about_all = self.asks(r"\b(all|both|total|together|alle|beiden?|insgesamt|tous)\b")
        kinds = [kind for kind, words in reading.KINDS.items() if self.asks(words)]
        if named:
            return named
        if earlier and not about_all and not (kinds and self.knows_customer()):
            return earlier[-1:]
        if self.knows_customer():
            owned = self.customer()["accounts"]
            fitting = [one for one in owned if not kinds or one["kind"] in kinds]
            if len(fitting) == 1 or (about_all and fitting):
                return [account["account_id"] for account in fitting]
        raise Say(
            self.words(
                "Which account do you mean?",
                "Welches Konto meinen Sie?",
                french="De quel compte parlez-vous ?",
            )
        )

    def mentioned_accounts(self) -> list[tuple[str, str]]:
        """Each account that the request names by id or as "my savings", with the text before it."""
        kinds = {kind: words for kind, words in reading.KINDS.items() if self.knows_customer()}
        pattern = "|".join([r"\bACC-?\s?\d{4}\b", *kinds.values()])
        found: dict[str, str] = {}
        for mention in re.finditer(pattern, self.request, re.IGNORECASE):
            id = reading.ids(mention[0], "ACC")
            kind = next((k for k, words in kinds.items() if re.match(words, mention[0], re.I)), "")
            owned = [] if id else self.customer()["accounts"]
            for account in id or [one["account_id"] for one in owned if one["kind"] == kind]:
                found.setdefault(account, self.request[: mention.start()])
        return list(found.items())

    def _use_once(self, tool: str, arguments: dict[str, Any]) -> Any:
        if self._used == len(self._results):
            raise ToolUse(tool, arguments)
        self._used += 1
        return answer_of(*self._results[self._used - 1])

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


def one_call(tool: str, arguments: dict[str, Any]) -> str:
    return json.dumps([tool, arguments], sort_keys=True)


def answer_of(text: str, is_error: bool) -> Any:
    """A tool's result. Raises Failed."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Failed("INTERNAL_ERROR", "the answer could not be read") from error
    if is_error or is_problem(value):
        raise Failed(str(value["error"]), str(value["message"]))
    return value


def request_of(texts: list[tuple[str, str]]) -> tuple[str, int]:
    """What the customer wants now, and in how many turns they said it.

    As long as we answered with a question, the request goes on: "My balance?" "Which account?"
    "ACC-1001". It also does when they take something back, ask the same of another thing, or want
    us to try again.
    """
    parts = [texts[-1][1]]
    for index in range(len(texts) - 2, 0, -2):
        goes_on = reading.revises(parts[0]) or re.search(AGAIN, parts[0], re.IGNORECASE)
        if not is_question(texts[index][1]) and not goes_on:
            break
        parts.insert(0, texts[index - 1][1])
    request = parts[0]
    for part in parts[1:]:
        revises = reading.revises(part)
        request = reading.revised(request, part) if revises else f"{request} {part}"
    return request, len(parts)


def is_question(text: str) -> bool:
    closings = ("anything else?", "noch helfen?", "Autre chose ?")
    return text.rstrip().endswith("?") and not text.rstrip().endswith(closings)


def confirmation(texts: list[tuple[str, str]], turns: int) -> tuple[bool, bool]:
    """Did the customer say yes, and did they say no, when we asked them to confirm this request?"""
    confirmed = declined = False
    asked = texts[len(texts) - 2 * turns + 2 :]  # from our first answer to this request
    for (_, question), (_, answer) in zip(asked[::2], asked[1::2], strict=True):
        if is_question(question) and re.search("confirm|bestätigen", question, re.IGNORECASE):
            changed = reading.revises(answer)
            confirmed = not changed and bool(re.match(YES, answer, re.IGNORECASE))
            declined = not changed and bool(re.match(NO, answer, re.IGNORECASE))
    return confirmed, declined


def done_before(messages: list[Any], turns: int) -> tuple[dict[str, Any], set[str]]:
    """What was called in the earlier turns of this request.

    Returns:
        The calls that had a result, each with its last one; and those that broke last.
    """
    spoke = [n for n, message in enumerate(messages) if is_said_by_user(message)]
    blocks = [b for m in messages[spoke[-turns] : spoke[-1]] for b in m["content"]]
    calls = {b["toolUse"]["toolUseId"]: b["toolUse"] for b in blocks if "toolUse" in b}
    done: dict[str, Any] = {}
    broke = set()
    for block in blocks:
        if "toolResult" in block:
            use = calls[block["toolResult"]["toolUseId"]]
            call = one_call(use["name"], use["input"])
            try:
                done[call] = answer_of(*result_of(block))
            except Failed as failed:
                broke |= {call} if failed.code in TRANSIENT - NOT_DONE else set()
    return done, broke - done.keys()


def fitting_arguments(tool: Any, facts: dict[str, Any]) -> dict[str, Any]:
    """Of the facts what the tool's schema takes, in the unit that its description asks for."""
    arguments: dict[str, Any] = {}
    for name, schema in tool["inputSchema"]["json"]["properties"].items():
        value = facts.get(name)
        if isinstance(value, Decimal):
            in_cents = "cents" in schema.get("description", "") and facts.get("currency") != "JPY"
            value = value * 100 if in_cents else value
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


def is_said_by_user(message: Any) -> bool:
    return message["role"] == "user" and any("text" in block for block in message["content"])


def results_of_this_turn(messages: list[Any]) -> list[tuple[str, bool]]:
    """Text and error flag of each tool result since the customer last spoke."""
    results: list[tuple[str, bool]] = []
    for message in messages:
        if is_said_by_user(message):
            results = []
        results += [result_of(block) for block in message["content"] if "toolResult" in block]
    return results


def result_of(block: Any) -> tuple[str, bool]:
    result = block["toolResult"]
    text = "".join(part.get("text", "") for part in result["content"])
    return text, result["status"] == "error"
