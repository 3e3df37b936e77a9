"""Secrets that spans carry, dropped before anything is kept.

What identifies a person is redacted elsewhere, by rules that can be chosen. A key that opens
something has no use in a trace, so no rule keeps it.
"""

import re
from typing import Any

DROPPED = "[secret]"
_NAMES = (
    r"(?:aws[._-]?)?(?:auth[._-]account[._-])?(?:secret[._-]?)?access[._-]?key(?:[._-]?id)?"
    r"|(?:client|aws)[._-]?secret|secret|password|passwd|passphrase|private[._-]?key"
    r"|(?:x[._-])?api[._-]?key|authorization|(?:access|refresh|id|session|security|bearer)[._-]?token"
)
_NAME = re.compile(rf"(?:.*\.)?(?:{_NAMES})", re.IGNORECASE)
_TEXT = re.compile(  # no run of characters is looked at from each of its places again
    r"(?P<key>\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b)"
    r"|(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))"
    r"|(?P<jwt>(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
    r"|(?P<token>(?<![\w-])(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[abprs]-[\w-]{10,}|sk-[\w-]{20,}))"
    rf"|(?P<named>\b(?i:{_NAMES})(?:\\*[\"'])?\s*[:=]\s*(?:\\*[\"'])?(?:Bearer |Basic )?)"
    r"[^\s\"'\\,;&}]{6,}"
)
# Looking for these is many times faster, and without any of them there is nothing to find.
_HINTS = (
    *("key", "secret", "passw", "passphrase", "token", "authorization"),
    *("akia", "asia", "aroa", "aida", "eyj", "gh", "xox", "sk-"),
)


def drop_from_text(text: str) -> str:
    """A text, also one that is JSON, without access keys, tokens and what is named a secret."""
    lower = text.lower()
    for hint in _HINTS:
        if hint in lower:
            return _TEXT.sub(lambda found: f"{found['named'] or ''}{DROPPED}", text)
    return text


def drop(value: Any) -> Any:
    """JSON without secrets: in its texts, and what stands under a name that says so."""
    match value:
        case str():
            return drop_from_text(value)
        case dict():
            return {
                drop_from_text(name) if isinstance(name, str) else name: DROPPED
                if isinstance(name, str) and isinstance(inner, str) and is_secret(name)
                else drop(inner)
                for name, inner in value.items()
            }
        case list():
            return [drop(inner) for inner in value]
    return value


def is_secret(name: str) -> bool:
    return bool(_NAME.fullmatch(name))
