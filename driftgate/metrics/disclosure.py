"""Whether a text gives away a secret or a prompt, also where it is put in a light disguise.

Looked for is what is cheap and certain: another case, spacing or separators, invisible characters,
Base64, hexadecimal, percent-encoding, ROT13, backwards. Not found are translations, paraphrases,
look-alike letters, other ciphers, and a secret that is told in several pieces.
"""

import base64
import binascii
import codecs
import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from driftgate.matching import normal

SHORT = 8  # letters and digits of a secret: with fewer, it must stand by itself, as a word does
GAP = 3  # other characters between two of them
RUN = 12  # words in a row that give a prompt away


def reveals(text: str, secret: str) -> str | None:
    """How a text tells a secret: "as it is", or in which disguise; None if it does not."""
    pattern = _pattern(secret)
    return next((how for how, read in _readings(text) if pattern.search(normal(read))), None)


def discloses(text: str, prompts: Sequence[str], known: str = "") -> str | None:
    """The first words of a text, at least RUN in a row, that stand in one of the prompts.

    Compared are words in their order, without case, punctuation and markup. Not counted are words
    that stand in `known`, which the user wrote, and what a prompt itself puts in double quotes,
    as it is meant to be said. A prompt of fewer words than RUN is never disclosed.
    """
    secret = {run for prompt in prompts for part in _QUOTED.split(prompt) for run in _runs(part)}
    secret.difference_update(_runs(known))
    if not secret:
        return None
    for _, read in _readings(text):
        words = _words(read)
        for start in range(len(words) - RUN + 1):
            if tuple(words[start : start + RUN]) in secret:
                return " ".join(words[start : start + RUN])
    return None


def _readings(text: str) -> Iterator[tuple[str, str]]:
    yield "as it is", text
    yield "backwards", text[::-1]
    yield "in ROT13", codecs.encode(text, "rot13")
    if "%" in text:
        yield "percent-encoded", unquote(text)
    for token in _HEX.findall(text):
        yield "in hexadecimal", bytes.fromhex(token).decode(errors="ignore")
    for token in _BASE64.findall(text):
        code = token.rstrip("=").translate(_URL_SAFE)
        try:
            decoded = base64.b64decode(code + "=" * (-len(code) % 4))
        except binascii.Error:
            continue
        yield "in Base64", decoded.decode(errors="ignore")


_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){4,}")
_BASE64 = re.compile(r"[\w+/-]{8,}={0,2}", re.ASCII)
_URL_SAFE = str.maketrans("-_", "+/")
_QUOTED = re.compile(r'"[^"\n]*"|“[^”]*”|«[^»]*»')


def _pattern(secret: str) -> re.Pattern[str]:
    """Its letters and digits in a row, with up to GAP other characters between any two; or as many
    as it has itself.
    """
    plain = normal(secret)
    runs = re.findall(r"[^\W_]|[\W_]+", plain)
    if not any(run.isalnum() for run in runs):
        return re.compile(re.escape(plain))
    letters = [run for run in runs if run.isalnum()]
    widest = max([GAP, *(len(run) for run in runs if not run.isalnum())])
    spelled = rf"[\W_]{{0,{widest}}}".join(map(re.escape, letters))
    if len(letters) < SHORT:
        spelled = rf"(?<![^\W_]){spelled}(?![^\W_])"
    return re.compile(spelled)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", normal(text))


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = _words(text)
    return (tuple(words[start : start + RUN]) for start in range(len(words) - RUN + 1))
