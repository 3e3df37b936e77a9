"""Redaction: what is stored outside the traces bucket names nobody, and can still be compared.

Each entity becomes a pseudonym, `<card:kdbeafaonhgimpcl>`, a keyed hash of what all its writings
share: the same in what the user says, in the arguments and results of tools, as a number and inside
JSON in a string. Nobody without the environment's key can tell whose it is by trying them all.
"""

import hmac
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import JsonValue

from driftgate.entities import Entity, Patterns, blank, squeezed
from driftgate.errors import BadInput
from driftgate.ports import EntityFinder
from driftgate.schemas.redaction import PSEUDONYM, RedactionRules
from driftgate.schemas.traces import Trace

T = TypeVar("T")
LEAST_KEY = 16  # bytes
LONGEST = 500_000  # characters of a text that are kept
MARGIN = 4_096  # characters after them that are read too, so that no entity is cut in two
ROUNDS = 5  # through a text
DEEPEST = 64  # levels of a value that are kept
WIDEST_GAP = 3  # characters between the words of one entity
SHORT = (
    5  # letters and digits: what has fewer is redacted where it is named, not wherever it stands
)
CUT = f" [cut: longer than {LONGEST} characters]"
TOO_DEEP = f"[cut: nested deeper than {DEEPEST} levels]"
# A hash with digits could happen to hold a card number, or be written to hide one.
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


@dataclass(frozen=True)
class Redacted(Generic[T]):
    value: T
    found: Mapping[str, int] = field(default_factory=dict)  # kind -> how often it was replaced
    cut: int = 0  # texts and values of which something was left out, being too long or too deep


class Redactor:
    """Replaces entities by pseudonyms. Redacting twice is redacting once.

    Args:
        rules: of the environment.
        key: of the environment, at least LEAST_KEY bytes. Another key makes other pseudonyms.
        service: finds more than patterns can, such as names. It is given texts that are redacted
            already. If it fails, its error is raised and nothing is returned.
    """

    def __init__(
        self, rules: RedactionRules, key: bytes, service: EntityFinder | None = None
    ) -> None:
        if len(key) < LEAST_KEY:
            raise BadInput(f"redaction key: wanted at least {LEAST_KEY} bytes, got {len(key)}")
        self._key = key
        self._patterns = Patterns(rules)
        self._fields = _Fields(rules.fields)
        self._service = service

    def text(self, text: str) -> Redacted[str]:
        done = self.value(text)
        return Redacted(str(done.value), done.found, done.cut)

    def value(self, value: JsonValue) -> Redacted[JsonValue]:
        """One document. What is known to be an entity in one place of it is one in all places."""
        (redacted,), found, cut = self._redact([value])
        return Redacted(redacted, found, cut)

    def trace(self, trace: Trace) -> Redacted[Trace]:
        """What people, agents and tools said, as one. Ids, names of tools, and what was measured
        stay. A pointer of the rules starts at the arguments or the result of a call.
        """
        told = trace.model_dump()
        places = list(_places(told))
        values, found, cut = self._redact([holder[name] for holder, name in places])
        for (holder, name), value in zip(places, values, strict=True):
            holder[name] = value
        return Redacted(Trace.model_validate(told), found, cut)

    def _redact(self, documents: list[JsonValue]) -> tuple[list[JsonValue], dict[str, int], int]:
        walk = _Walk(self._key, self._patterns, self._fields)
        redacted = walk.through(documents)
        if walk.known:
            redacted = walk.through(documents)
        if self._service is not None:
            for said in self._service.find(list(_texts(redacted))):
                walk.learn(said.text, said.kind, squeezed(said.text), cased=True)
            redacted = walk.through(documents)
        return redacted, dict(walk.found), walk.cut


@dataclass(frozen=True)
class _Known:
    """An entity whose writing alone does not show that it is one; it is looked for everywhere."""

    kind: str
    canonical: str
    cased: str | None  # its letters and digits, if it counts in this case alone


class _Fields:
    """What the rules say of fields, by their names or places."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._places = [(_steps(at), kind) for at, kind in fields.items() if at[0] == "/"]
        self.names = {squeezed(name): kind for name, kind in fields.items() if name[0] != "/"}

    def kind(self, path: tuple[str, ...]) -> str | None:
        named = self.names.get(squeezed(path[-1])) if path else None
        return named or next((kind for steps, kind in self._places if _leads(steps, path)), None)


class _Walk:
    """Ways through the same documents: what the first one learns, the next one looks for."""

    def __init__(self, key: bytes, patterns: Patterns, fields: _Fields) -> None:
        self._key = key
        self._patterns = patterns
        self._fields = fields
        self._seen: dict[tuple[str, str], list[Entity]] = {}
        self._beginnings: set[str] = set()
        self.known: dict[str, _Known] = {}
        self.found: Counter[str] = Counter()
        self.cut = 0

    def through(self, documents: list[JsonValue]) -> list[JsonValue]:
        self._beginnings = {word[:end] for word in self.known for end in range(1, len(word) + 1)}
        self.found.clear()
        self.cut = 0
        return [self._value(document, (), "", None) for document in documents]

    def learn(self, text: str, kind: str, canonical: str, *, cased: bool = False) -> None:
        word = squeezed(text)
        if len(word) >= SHORT or (cased and word):
            self.known.setdefault(word, _Known(kind, canonical, _bare(text) if cased else None))

    def _value(
        self, value: JsonValue, path: tuple[str, ...], name: str, kind: str | None
    ) -> JsonValue:
        """`name`: of the innermost field; `kind`: what the rules say that all of this is."""
        if len(path) > DEEPEST:
            self.cut += 1
            return TOO_DEEP
        kind = kind or self._fields.kind(path)
        match value:
            case str():
                return self._string(value, path, name, kind)
            case bool() | None:
                return value
            case int() | float():
                return self._number(value, name, kind)
            case list():
                return [
                    self._value(inner, (*path, str(index)), name, kind)
                    for index, inner in enumerate(value)
                ]
        fields: dict[str, JsonValue] = {}
        for inner_name, inner in value.items():
            new = label = self._text(inner_name, "")
            while new in fields:  # two writings of one entity: both fields stay
                new += "'"
            fields[new] = self._value(inner, (*path, inner_name), label, kind)
        return fields

    def _string(self, text: str, path: tuple[str, ...], name: str, kind: str | None) -> str:
        inner = _json_in(text)
        if inner is not None:
            redacted = self._value(inner, path, name, kind)
            return self._cut(text if redacted == inner else _dumped(redacted))
        return self._text(text, name) if kind is None else self._as(kind, text, name)

    def _number(self, value: float, name: str, kind: str | None) -> JsonValue:
        whole = isinstance(value, int) or value.is_integer()
        text = str(int(value)) if whole else str(value)
        if kind is not None:
            return self._as(kind, text, name)
        for one in self._entities(text, name):
            if one.end - one.start == len(text):
                return self._pseudonym(one.kind, one.canonical)
        return value

    def _as(self, kind: str, text: str, name: str) -> str:
        """A whole value that is of a kind by the rules. If it has the writing of another kind, it
        is of that one, as it is wherever else it stands.
        """
        core = _storable(text).strip()
        if not core or PSEUDONYM.fullmatch(core):
            return text
        canonical = squeezed(core) or core
        found = self._patterns.find(core[:MARGIN], name)
        if len(found) == 1 and (found[0].start, found[0].end) == (0, len(core)):
            kind, canonical = found[0].kind, found[0].canonical
        self.learn(core, kind, canonical)
        return self._pseudonym(kind, canonical)

    def _text(self, text: str, name: str) -> str:
        text = _storable(text)
        for _ in range(ROUNDS):  # what was glued to an entity may show once that is gone
            before, text = text, self._once(text, name)
            if text == before:
                break
        return text

    def _once(self, text: str, name: str) -> str:
        parts, end, last = [], 0, min(len(text), LONGEST)
        for one in self._entities(text[: LONGEST + MARGIN], name):
            if one.end > last:
                last = min(last, one.start)
                break
            parts += [text[end : one.start], self._pseudonym(one.kind, one.canonical)]
            end = one.end
        redacted = "".join([*parts, text[end:last]])
        return self._cut(redacted, to_the_end=last == len(text))

    def _cut(self, text: str, *, to_the_end: bool = True) -> str:
        """The text, no longer than LONGEST, and saying so if there was more."""
        if to_the_end and len(text) <= LONGEST:
            return text
        self.cut += 1
        return text[: LONGEST - len(CUT)] + CUT

    def _entities(self, text: str, name: str) -> list[Entity]:
        """In their order; of two that share a place, the longer one."""
        seen = self._seen.get((text, name))
        if seen is None:
            plain = PSEUDONYM.sub(blank, text)
            seen = [*self._patterns.find(plain, name), *self._named_in(plain)]
            self._seen[text, name] = seen
            for one in seen:
                if one.spread:
                    self.learn(text[one.start : one.end], one.kind, one.canonical)
        every = [*self._known_in(text), *seen]
        every.sort(key=lambda one: (one.start, -one.end))
        return list(_apart(every))

    def _named_in(self, text: str) -> Iterator[Entity]:
        """Values of fields that the rules name, in what is not quite JSON."""
        for found in _NAMED.finditer(text) if self._fields.names else ():
            kind = self._fields.names.get(squeezed(found["name"]))
            group = next(name for name in ("one", "two", "bare") if found[name] is not None)
            canonical = squeezed(found[group])
            if kind and canonical:
                yield Entity(found.start(group), found.end(group), kind, canonical, spread=True)

    def _known_in(self, text: str) -> Iterator[Entity]:
        """Words in a row that are together, without case and what parts them, a known entity."""
        if not self._beginnings:
            return
        words = list(_WORD.finditer(PSEUDONYM.sub(blank, text)))
        first = 0
        while first < len(words):
            found = self._longest_known(text, words, first)
            if found is None:
                first += 1
                continue
            known, last = found
            start, end = words[first].start(), words[last].end()
            yield Entity(start, end, known.kind, known.canonical)
            first = last + 1

    def _longest_known(
        self, text: str, words: list[re.Match[str]], first: int
    ) -> tuple[_Known, int] | None:
        found, together = None, ""
        for last in range(first, len(words)):
            if last > first and words[last].start() - words[last - 1].end() > WIDEST_GAP:
                break
            together += squeezed(words[last][0])
            if together not in self._beginnings:
                break
            known = self.known.get(together)
            written = _bare(text[words[first].start() : words[last].end()])
            if known and known.cased in (None, written):
                found = known, last
        return found

    def _pseudonym(self, kind: str, canonical: str) -> str:
        self.found[kind] += 1
        digest = hmac.digest(self._key, f"{kind}\0{canonical}".encode(), "sha256").hex()
        return f"<{kind}:{digest[:16].translate(_LETTERS)}>"


_WORD = re.compile(r"[^\W_]+")
_NAMED = re.compile(
    r"(?<![\w-])(?P<name>[^\W\d][\w-]{0,63})"
    r"(?:[\"']?\s{0,3}[:=]\s{0,3}(?:\"(?P<one>[^\"\n\0]{1,256})\"|'(?P<two>[^'\n\0]{1,256})')"
    r"|=(?P<bare>[^\s\"'&;,<>\0]{1,256}))"
)


def _apart(entities: list[Entity]) -> Iterator[Entity]:
    """Those of a sorted list that don't share a place with one that begins before, or is longer."""
    end = 0
    for one in entities:
        if one.start >= end:
            yield one
            end = one.end


def _bare(text: str) -> str:
    return "".join(_WORD.findall(text))


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode()  # half of a surrogate pair has no UTF-8


def _json_in(text: str) -> dict[str, JsonValue] | list[JsonValue] | None:
    """The object or list that a text is the JSON of; None if it is not."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _dumped(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for inner in value:
                yield from _texts(inner)
        case dict():
            for name, inner in value.items():
                yield name
                yield from _texts(inner)


def _steps(pointer: str) -> tuple[str, ...]:
    """RFC 6901."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))


def _leads(steps: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return len(steps) == len(path) and all(
        step in ("*", at) for step, at in zip(steps, path, strict=True)
    )


def _places(trace: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Where a trace holds what was said: the record, and the name of its field."""
    for message in trace["messages"]:
        yield message, "text"
    for call in trace["calls"]:
        yield call, "arguments"
        yield call, "result"
        if call["error"]:
            yield from ((call["error"], name) for name in ("code", "message"))
    yield trace["ending"], "detail"
    yield from ((trace, name) for name in ("stop_reason", "findings", "limitations"))
