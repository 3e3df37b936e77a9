"""Text from agents and users, made safe to show: it stays text, whatever it holds."""

import unicodedata


def visible(text: str) -> str:
    """Show control, direction and invisible characters as escapes; keep line breaks and tabs."""
    return "".join(letter if _is_plain(letter) else f"\\u{ord(letter):04x}" for letter in text)


def _is_plain(letter: str) -> bool:
    return letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co")
