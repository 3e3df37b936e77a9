"""Synthesis: other ways to ask what a dataset's cases ask, as drafts.

A draft keeps what its case expects as far as that still follows: another wording, another language
of the reply, typos, information that comes a turn later, other ids in the same world, an amount at
the edge of what there is. The same dataset, strategies and seed give the same drafts. They are
drafts: people review them like what was found in production.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from driftgate import canonical, datasets, mocks
from driftgate.duplicates import near_duplicates
from driftgate.errors import BadInput
from driftgate.ports import TextModel
from driftgate.saturation import Kind, kind_of
from driftgate.schemas.cases import Case, Provenance
from driftgate.schemas.datasets import Dataset
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.record import CaseId
from driftgate.schemas.synthesis import Generated

Content = dict[str, Any]  # a case as JSON
TRIES = 3  # a model gets to write one text
LONGEST = 2000  # characters of it
# What a rewording must keep: ids, amounts, dates, addresses, and what has a digit in it.
_FIXED = re.compile(r"[\w.+-]+@[\w.-]+\w|[^\s(]*\d(?:\S*[^\s.,;:!?)…])?")
_ID = re.compile(r"(?<![\w.-])[A-Za-z]{2,8}[-_]?\d{3,10}(?![\w-])")
_WORD = re.compile(r"(?<![\w@.-])[^\W\d_]{4,}(?![\w@.-]*[\d@-])")  # no part of an id or address
_LANGUAGES = ("en", "de", "fr")

FRAMES: Mapping[str, tuple[str, ...]] = {
    "en": (
        "Hi there! {text} Thanks in advance.",
        "I have a question. {text}",
        "{text} I'm in a hurry, so please be brief.",
        "Sorry to bother you again, I asked this last week too. {text}",
    ),
    "de": (
        "Guten Tag! {text} Vielen Dank im Voraus.",
        "Ich hätte eine Frage. {text}",
        "{text} Ich bin in Eile, bitte kurz.",
    ),
    "fr": (
        "Bonjour ! {text} Merci d'avance.",
        "J'ai une question. {text}",
        "{text} Je suis pressé, soyez bref s'il vous plaît.",
    ),
}
WORDINGS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "en": (
        (r"\bI want to\b", "I'd like to"),
        (r"\bWhat is\b", "Could you tell me what is"),
        (r"\b[Cc]an you tell me\b", "I need to know"),
        (r"\bPlease\b", "Would you kindly"),
        (r"\bI've\b", "I have"),
        (r"\bI'm\b", "I am"),
        (r"\bdon't\b", "do not"),
    ),
    "de": (
        (r"\bWie ist\b", "Sagen Sie mir doch, wie ist"),
        (r"\bIch möchte\b", "Ich will"),
    ),
    "fr": ((r"\bBonjour,?", "Salut,"), (r"\bquel est\b", "dites-moi quel est")),
}
REPLY_IN: Mapping[str, tuple[str, str, str]] = {  # the wish, the language, words that it has
    "en": ("Please answer in English.", "English", r"(?i)\b(the|is|your|of|and)\b"),
    "de": ("Bitte antworten Sie auf Deutsch.", "German", r"(?i)\b(der|die|das|ist|ihr|und)\b"),
    "fr": (
        "Répondez en français, s'il vous plaît.",
        "French",
        r"(?i)\b(le|la|est|votre|de|et)\b",
    ),
}
LOCALES = {"en": "en-GB", "de": "de-DE", "fr": "fr-FR"}
LANGUAGE_FREE = ("money", "written_number", "date")  # matchers of what any language tells alike
TOLD_LATER = {"en": "It is {id}.", "de": "Das ist {id}.", "fr": "C'est {id}."}
# Before one of these an id can't just be left out.
_LEANS = re.compile(
    r"(?i)\b(from|to|on|in|of|for|with|by|and|or|von|vom|auf|an|am|im|mit|für|und|du|de|à|sur|pour|"
    r"et|is|am|i'm|bin|ist|suis|est)$"
)
EDGES = (0, 0.01, -0.01, 0.1, 999_999.99, 1_000_000)


class Unfit(Exception):
    """Nothing comes of this case and strategy, for the reason given."""


def paraphrase(content: Content, language: str, draw: random.Random) -> None:
    """In other words, and in a frame."""
    for turn in content["turns"][:1]:
        text = turn["user"]
        known = [(old, new) for old, new in WORDINGS[language] if re.search(old, text)]
        if known:
            old, new = draw.choice(known)
            text = re.sub(old, new, text, count=1)
        turn["user"] = draw.choice(FRAMES[language]).format(text=text)


def reply_language(content: Content, language: str, draw: random.Random) -> None:
    """With the wish to be answered in another language, and a question to the judge if it was."""
    _told_in_any_language(content)
    wish, name, words = REPLY_IN[draw.choice([one for one in _LANGUAGES if one != language])]
    content["turns"][-1]["user"] += f" {wish}"
    item = {
        "id": "asked-language",
        "question": f"Does the agent answer the last message in {name}, as the user asks?",
        "check": {"match": "regex", "pattern": words},
    }
    content["rubric"] = [*content.get("rubric", []), item]


def typos(content: Content, language: str, draw: random.Random) -> None:
    """With letters left out, doubled or swapped in some words, never in ids, amounts or names."""
    for turn in content["turns"]:
        words = list(_WORD.finditer(turn["user"]))
        plain = [word for word in words if word[0].islower()]
        chosen = draw.sample(plain, min(len(plain), 1 + len(plain) // 4))
        for word in sorted(chosen, key=lambda found: -found.start()):
            wrong = _mistyped(word[0], draw)
            turn["user"] = turn["user"][: word.start()] + wrong + turn["user"][word.end() :]


def missing(content: Content, language: str, draw: random.Random) -> None:
    """With what identifies the case told a turn later, when the agent has had to ask."""
    turns = content["turns"]
    ids = list(dict.fromkeys(_ID.findall(turns[0]["user"])))
    if len(turns) != 1 or len(ids) != 1:
        raise Unfit("the user does not name one id in one turn")
    told = turns[0].get("expected_outputs", [])
    first = {"user": _without(turns[0]["user"], ids[0], content.get("world", {}), language)}
    later = {"user": TOLD_LATER[language].format(id=ids[0])}
    content["turns"] = [first, {**later, "expected_outputs": told}]
    for call in content.get("expected_calls", []):
        if call.get("turn") == 1:
            call["turn"] = 2


def translate(content: Content, language: str, draw: random.Random) -> None:
    """In another language, by a user of another country; the model writes the turns."""
    _told_in_any_language(content)
    content["locale"] = draw.choice([LOCALES[one] for one in _LANGUAGES if one != language])


def entities(content: Content, language: str, draw: random.Random) -> None:
    """With other ids, the same ones everywhere: in turns, world, calls, outputs and mocks."""
    text = canonical.dump(content).decode()
    known = sorted(set(_ID.findall(text)))
    if not known:
        raise Unfit("there are no ids in it")
    taken, changed = set(known), {}
    for id in known:
        new = id
        while new in taken:
            new = re.sub(r"\d", lambda _: str(draw.randrange(10)), id)
        changed[id] = new
        taken.add(new)
    again = canonical.load(_ID.sub(lambda found: changed[found[0]], text))
    content.clear()
    content |= again


def boundary(content: Content, language: str, draw: random.Random) -> None:
    """With the amount that must be told at an edge: nothing, a cent, less than nothing, a lot.

    Only where it stands once in the world, is told as it stands there, and nothing is written.
    """
    if any(call["effect"] == "write" for call in content.get("expected_calls", [])):
        raise Unfit("something is written")
    amounts = list(_quantities(content.get("world", {})))
    outputs = [o for turn in content["turns"] for o in turn.get("expected_outputs", [])]
    outputs += content.get("expected_outputs", [])
    money = [o for o in outputs if isinstance(o, dict) and o.get("match") == "money"]
    if len(money) != 1 or len(outputs) != 1:
        raise Unfit("not one amount is to be told")
    told = [
        q for q in amounts if (q["value"], q["unit"]) == (money[0]["value"], money[0]["currency"])
    ]
    if len(told) != 1 or len(amounts) != 1:
        raise Unfit("the amount that is to be told does not stand once and alone in the world")
    edge = draw.choice([edge for edge in EDGES if edge != told[0]["value"]])
    if told[0]["unit"] in ("JPY", "KRW", "CLP") and edge != int(edge):
        raise Unfit("its currency has no hundredths")
    told[0]["value"] = money[0]["value"] = edge


Change = Callable[[Content, str, random.Random], None]
STRATEGIES: Mapping[str, Change] = {
    "paraphrase": paraphrase,
    "language": reply_language,
    "typos": typos,
    "missing": missing,
    "translate": translate,
    "boundary": boundary,
    "entities": entities,
}
MODEL_STRATEGIES = ("paraphrase", "translate")  # whose texts a model can write
NEED_MODEL = ("translate",)
ALIKE = ("entities",)  # what these make is a near-duplicate of its own case, on purpose


def generate(
    dataset: Dataset,
    strategies: Sequence[str],
    seed: int,
    number: int,
    agents: Sequence[AgentVersion] = (),
    model: TextModel | None = None,
) -> Generated:
    """Make drafts, those of kinds that the dataset has few of first.

    Args:
        dataset: its cases that are attacks are left out: `attacks.generate` makes these.
        strategies: names of STRATEGIES.
        seed: another one chooses other cases, words and ids.
        number: how many at most.
        agents: whose contracts the drafts must fit.
        model: writes the texts of MODEL_STRATEGIES, which then differ from time to time.

    Raises:
        BadInput: a strategy is not known, or no draft comes of any case.
    """
    if model is None and (lacking := [name for name in strategies if name in NEED_MODEL]):
        raise BadInput(f"strategy {lacking[0]}: wanted a model that writes it, there is none")
    if unknown := [name for name in strategies if name not in STRATEGIES]:
        raise BadInput(f"wanted strategies of {', '.join(STRATEGIES)}, got {unknown[0]!r}")
    ordinary = [case for case in dataset.cases if case.adversarial is None]
    kinds = Counter(map(kind_of, dataset.cases))
    ordered = _rare_first(ordinary, strategies, kinds, seed)
    unfit: Counter[str] = Counter()
    if model is not None:  # a text costs money: no more are written than are wanted
        ordered = ordered[: 2 * number]
    pool: list[tuple[str, Case]] = []
    for name, case in ordered:
        try:
            pool.append((name, draft(case, name, dataset, seed, model)))
        except (Unfit, ValueError) as error:
            unfit[f"{name}: {error}"] += 1
    fitting = [(name, made) for name, made in pool if not _misfits(made, dataset, agents)]
    kept = list(_without_duplicates(fitting, dataset))
    chosen = kept[:number]
    if not chosen:
        said = "; ".join(f"{why} ({times})" for why, times in unfit.most_common(3))
        raise BadInput(f"dataset {dataset.header.name}: no draft came of it: {said}")
    return Generated(
        drafts=tuple(made for _, made in chosen),
        by_strategy=dict(Counter(name for name, _ in chosen)),
        tried=len(ordered),
        unfit=sum(unfit.values()),
        misfits=len(pool) - len(fitting),
        duplicates=len(fitting) - len(kept),
    )


def draft(
    case: Case, strategy: str, dataset: Dataset, seed: int, model: TextModel | None = None
) -> Case:
    """The case, changed by a strategy. Raises Unfit, or ValueError if the result is no case."""
    draw = random.Random(f"{seed} {strategy} {case.case_id}")  # noqa: S311
    content = case.model_dump(mode="json", exclude_defaults=True)
    content.pop("smoke", None)
    before = canonical.dump(content)
    language = next((one for one in _LANGUAGES if case.locale.startswith(one)), "en")
    STRATEGIES[strategy](content, language, draw)
    writer = ""
    if model is not None and strategy in MODEL_STRATEGIES:
        own = content.get("locale", language)[:2] if strategy == "translate" else language
        for turn, old in zip(content["turns"], case.turns, strict=True):
            turn["user"] = _written(old.user, strategy, own, model)
        writer = f", written by {model.name}"
    if canonical.dump(content) == before:
        raise Unfit("nothing changed")
    source = f"{dataset.header.name}@{dataset.header.version}/{case.case_id}"
    origin = f"{source}, {strategy} seed={seed}{writer}"
    content["case_id"] = f"{case.case_id[:90]}-{strategy}-{seed}"
    content["provenance"] = Provenance(
        kind="synthetic", author="driftgate", origin=origin
    ).model_dump(mode="json")
    return Case.model_validate(content)


def instruction(text: str, strategy: str, language: str) -> str:
    """What a model is asked to write, as it is sent."""
    wanted = "in other words, as another customer would say it"
    if strategy == "translate":
        wanted = "in another language, as a customer there would say it"
    fixed = ", ".join(dict.fromkeys(_FIXED.findall(text))) or "nothing"
    return (
        "We test our own support agent with made-up customers. Write this customer's message "
        f"{wanted}. Language: {language}. These must stand in it unchanged: {fixed}. Ask for "
        f"nothing else and leave nothing out. Answer with the text alone.\n\n{text}"
    )


def unusable(text: str, original: str) -> str | None:
    """Why what a model wrote can't take the place of a text; None if it can."""
    if not text:
        return "it is empty"
    if len(text) > LONGEST:
        return f"it has {len(text)} characters, at most {LONGEST} are wanted"
    lost = (Counter(_FIXED.findall(original)) - Counter(_FIXED.findall(text))).keys()
    if lost:
        return f"it lacks {sorted(lost)[0]!r}"
    if added := set(_FIXED.findall(text)) - set(_FIXED.findall(original)):
        return f"it adds {sorted(added)[0]!r}"
    return None


def _told_in_any_language(content: Content) -> None:
    """Raises Unfit if a case wants words that a reply in another language would not have."""
    if any("check" in item for item in content.get("rubric", [])):
        raise Unfit("its rubric looks for words of one language")
    outputs = [o for turn in content["turns"] for o in turn.get("expected_outputs", [])]
    outputs += content.get("expected_outputs", [])
    if any(not isinstance(o, dict) or o["match"] not in LANGUAGE_FREE for o in outputs):
        raise Unfit("its outputs are words of one language")


def _without(text: str, id: str, world: Any, language: str) -> str:
    """A text without an id, which still reads as one. Raises Unfit."""
    before, _, after = text.partition(id)
    if id in after:
        raise Unfit("the user names it twice")
    if not before.strip():
        raise Unfit("the sentence begins with the id")
    if not _LEANS.search(before.rstrip()):
        return f"{before.rstrip()}{after}"
    table = next((name for name, rows in world.items() if id in rows), "")
    if language != "en" or not table or re.search(r"(?i)\b(am|is|i'm)$", before.rstrip()):
        raise Unfit("the sentence leans on the id")
    return f"{before}my {table.removesuffix('s')}{after}"


def _written(text: str, strategy: str, language: str, model: TextModel) -> str:
    asked = instruction(text, strategy, language)
    fault = None
    for _ in range(TRIES):
        again = f"\n\nYour last text can't be used: {fault}. Write another one." if fault else ""
        written = model.write(asked + again).strip()
        fault = unusable(written, text)
        if fault is None:
            return written
    raise Unfit(f"the model wrote nothing that can be used: {fault}")


def _rare_first(
    cases: Sequence[Case], strategies: Sequence[str], kinds: Mapping[Kind, int], seed: int
) -> list[tuple[str, Case]]:
    """Every case with every strategy, in turns, so that kinds with few cases come first and each
    draft counts as one more of its kind.
    """
    shuffled = random.Random(f"{seed} order").sample(list(cases), len(cases))  # noqa: S311
    counts, used, found = Counter(kinds), Counter[str](), []
    waiting = [(name, case) for case in shuffled for name in strategies]
    by_kind: dict[Kind, list[tuple[str, Case]]] = {}
    for name, case in waiting:
        by_kind.setdefault(kind_of(case), []).append((name, case))
    while by_kind:
        rarest = min(by_kind, key=lambda kind: (counts[kind], kind[0], sorted(kind[1])))
        waiting = by_kind[rarest]
        name, case = waiting.pop(min(range(len(waiting)), key=lambda n: used[waiting[n][0]]))
        found.append((name, case))
        counts[rarest] += 1
        used[name] += 1
        if not by_kind[rarest]:
            del by_kind[rarest]
    return found


def _misfits(made: Case, dataset: Dataset, agents: Sequence[AgentVersion]) -> bool:
    try:
        datasets.check_case(made, dataset.header)
    except ValueError:
        return True
    return bool(agents) and any(True for _ in mocks.misfits(made, agents))


def _without_duplicates(
    pool: Sequence[tuple[str, Case]], dataset: Dataset
) -> Iterator[tuple[str, Case]]:
    """The drafts that are no near-duplicates of a case, nor of a draft before them."""
    old = {case.case_id for case in dataset.cases}
    made = {case.case_id: case for _, case in pool}
    refused: set[CaseId] = set()
    order = {case_id: number for number, case_id in enumerate(made)}
    for group in near_duplicates([*dataset.cases, *_fresh(made.values(), old)]):
        drafts = sorted((i for i in group if i not in old), key=order.__getitem__)
        refused |= set(drafts) if old & set(group) else set(drafts[1:])
    for name, case in pool:
        if case.case_id not in old and (case.case_id not in refused or name in ALIKE):
            yield name, case


def _fresh(drafts: Iterable[Case], old: set[CaseId]) -> list[Case]:
    return [case for case in drafts if case.case_id not in old]


def _quantities(world: Any) -> Iterator[Content]:
    match world:
        case {"value": int() | float(), "unit": str()}:
            yield world
        case dict():
            for value in world.values():
                yield from _quantities(value)
        case list():
            for value in world:
                yield from _quantities(value)


def _mistyped(word: str, draw: random.Random) -> str:
    at = draw.randrange(1, len(word) - 1)
    match draw.choice(("leave out", "double", "swap")):
        case "leave out":
            return word[:at] + word[at + 1 :]
        case "double":
            return word[:at] + word[at] + word[at:]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
