"""Text from agents and users, made safe to show: it stays text, whatever it holds."""

import unicodedata


def visible(text: str) -> str:
    """Show control, direction and invisible characters as escapes; keep line breaks and tabs.

    What is left can stand in XML too.
    """
    if text.isprintable():
        return text
    return "".join(letter if _is_plain(letter) else f"\\u{ord(letter):04x}" for letter in text)


def _is_plain(letter: str) -> bool:
    if letter in "\n\t":
        return True
    never_a_character = ord(letter) & 0xFFFE == 0xFFFE
    return not never_a_character and unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co")
