"""Is personal data found, and nothing else; and is one entity one pseudonym, wherever it stands?

    make bench-redaction

Each kind is planted in each language many times: in what users say, in arguments, as a number, in
JSON in a string. It counts as found if all of it, and nothing around it, became a pseudonym of its
kind. Between them stand documents with none. Bounds are held by the lower confidence limits.
"""

import json
import random
import re
import sys
import time
from collections import Counter
from typing import Any

from bench import personal_corpus as corpus
from bench.results import Results
from driftgate.intervals import share_lower
from driftgate.redaction import Redactor
from driftgate.schemas.redaction import RedactionRules

PLANTED, DECOYS, SAME = 400, 6_000, 60  # per kind and language, per language, per kind and language
PSEUDONYM = re.compile(r"<([a-z_]+):[a-z]{16}>")
SEED = 20_261_120


def main() -> None:
    results = Results("bench", "redaction")
    recalls, precisions, wrong, same = {}, {}, 0, 0
    for language in corpus.LANGUAGES:
        redactor = _redactor(language)
        false = _false_alarms(redactor, language, wanted=DECOYS)
        wrong += sum(false.values())
        for kind in corpus.kinds(language):
            hits = sum(_found(redactor, kind, language, PLANTED))
            recalls[kind, language] = (hits, PLANTED)
            precisions[kind, language] = (hits, hits + false[kind])
            same += _split(redactor, kind, language, SAME)
    _table(recalls, precisions)
    results.figure("planted", len(recalls) * PLANTED)
    results.figure("decoys", len(corpus.LANGUAGES) * DECOYS)
    results.figure("decoys that were redacted", wrong)
    for name, shares in (("recall", recalls), ("precision", precisions)):
        hits, of = map(sum, zip(*shares.values(), strict=True))
        results.figure(f"{name}, all", hits / of)
        for kind in sorted({kind for kind, _ in shares}):
            each = {language: share for (k, language), share in shares.items() if k == kind}
            results.figure(
                f"{name} of {kind}",
                " ".join(f"{language} {hit / n:.4f}" for language, (hit, n) in each.items()),
            )
    results.figure("seconds for a turn of 5 MB", _long_turn_s())
    results.check("recall, lower limit of the worst", _worst(recalls), ">=", 0.98)
    results.check("precision, lower limit of the worst", _worst(precisions), ">=", 0.95)
    results.check("entities with more than one pseudonym", same, "==", 0)
    results.check("entities that share a pseudonym", _collisions(), "==", 0)
    results.finish()


def _redactor(language: str) -> Redactor:
    """That of an environment which names its own country first."""
    home = corpus.HOME[language].split()
    others = [region for region in RedactionRules().regions if region not in home]
    return Redactor(RedactionRules(regions=(*home, *others)), b"the key of a benchmark")


def _noise(*seed: str) -> random.Random:
    return random.Random(f"{SEED} {' '.join(seed)}")  # noqa: S311  a simulation


def _found(redactor: Redactor, kind: str, language: str, wanted: int) -> list[bool]:
    noise = _noise(kind, language)
    found = []
    for _ in range(wanted):
        item = corpus.item(corpus.plant(kind, language, noise), language, noise)
        text = _written(redactor.value(item.value).value)
        inside = text[len(item.before) : len(text) - len(item.after)]
        match = PSEUDONYM.fullmatch(inside)
        around = text.startswith(item.before) and text.endswith(item.after)
        found.append(bool(around and match and match[1] == kind))
        if not found[-1] and "-v" in sys.argv:
            print(kind, language, item.value, "->", text, file=sys.stderr)
    return found


def _false_alarms(redactor: Redactor, language: str, wanted: int) -> Counter[str]:
    noise, false = _noise("decoys", language), Counter[str]()
    for _ in range(wanted):
        document = corpus.decoy(language, noise)
        redacted = redactor.value(document)
        false.update(redacted.found)
        if redacted.found and "-v" in sys.argv:
            print("decoy", language, document, "->", redacted.value, file=sys.stderr)
    return false


def _split(redactor: Redactor, kind: str, language: str, wanted: int) -> int:
    """Of how many entities not all writings got one and the same pseudonym."""
    noise, split = _noise("same", kind, language), 0
    for _ in range(wanted):
        document = corpus.same(corpus.plant(kind, language, noise), language, noise)
        text = _written(redactor.value(document).value)
        all_found = len(PSEUDONYM.findall(text)) == len(document)
        one = len({found[0] for found in PSEUDONYM.finditer(text)}) == 1
        split += not (all_found and one)
        if not (all_found and one) and "-v" in sys.argv:
            print("same", kind, language, document, "->", text, file=sys.stderr)
    return split


def _collisions() -> int:
    redactor, noise = _redactor("en"), _noise("collisions")
    mails = {f"{noise.randbytes(6).hex()}@example.com" for _ in range(2_000)}
    return len(mails) - len({redactor.text(mail).value for mail in mails})


def _long_turn_s() -> float:
    turn = "I paid 12.50 EUR with 4111 1111 1111 1111 on 2026-11-20, call +49 30 1234567. " * 64_000
    began = time.perf_counter()
    _redactor("de").text(turn)
    return time.perf_counter() - began


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _worst(shares: dict[tuple[str, str], tuple[int, int]]) -> float:
    return min(share_lower(hits, of) for hits, of in shares.values())


def _table(
    recalls: dict[tuple[str, str], tuple[int, int]],
    precisions: dict[tuple[str, str], tuple[int, int]],
) -> None:
    print(f"{'kind':<16}language  recall (limit)    precision (limit)")
    for (kind, language), (hits, of) in recalls.items():
        right, all_of = precisions[kind, language]
        print(
            f"{kind:<16}{language:<10}{hits / of:.4f} ({share_lower(hits, of):.4f})   "
            f"{right / all_of:.4f} ({share_lower(right, all_of):.4f})"
        )
    print()


if __name__ == "__main__":
    main()
