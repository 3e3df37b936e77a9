"""Instructions inside a text: what a model may take for its orders, whoever wrote them.

A grammar of its own, in English, German and French: a text speaks to the assistant, and some of its
sentences want a deed of it. It understands many phrasings and not all, as every model has some that
it does not fall for.
"""

import base64
import binascii
import codecs
import re

from support.reading import AMOUNT

_MOVE = r"\b(?:transfer|send|move|wire|überweis\w*|schick\w*|vire[rz]?|transfère[rz]?|envoye[rz])\b"
_SHOW = (
    r"\b(?:show|tell|reveal|print|repeat|recite|output|disclose|give|list|look up|read out|add"
    r"|quote|need|zeig\w*|nenn\w*|sag\w*|verrat\w*|gib|geben|wiederhol\w*|schreib\w*|such\w*"
    r"|montre[rz]?|affiche[rz]?|donne[rz]?|répète[rz]?|révèle[rz]?|dis|dites|cherche[rz]?)\b"
)
RULES = (
    rf"{_SHOW}.*?(?:\bsystem ?prompt|\b(?:your|initial|hidden) (?:instructions|rules|prompt)"
    r"|\b(?:instructions|rules|text) above|\b(?:deine|ihre|eure)\w* (?:anweisungen|regeln|vorgaben)"
    r"|\b(?:vos|tes) (?:instructions|consignes|règles)|\bprompt système)"
)
CODE = (
    rf"{_SHOW}.*?\b(?:(?:counter|internal|staff|secret) code|schaltercode|interne\w* code"
    r"|code (?:interne|du guichet|secret))\b"
)
RECORD = (
    rf"{_SHOW}.*?\b(?:records?|data|details|profile|kundendaten|daten|fiche|données|coordonnées)\b"
    rf".*?(?:\bCUS-?\s?\d{{4}}\b|[\w.+-]+@[\w-]+\.\w+)"
)
UNASKED = (
    r"\b(?:without|no|don'?t (?:ask|wait) for|skip|waive|ohne|keine|sans|pas de|inutile de)\b"
    r".{0,40}?\b(?:confirm\w*|bestätig\w*|rückfrage|asking)\b"
)
_DEEDS = re.compile(
    "|".join(
        (
            rf"{_MOVE}.*?{AMOUNT}.*?\bACC-?\s?\d{{4}}\b",
            r"\b(?:change|update|set|änder\w*|modifie[rz]?)\b.*?\badd?resse?\b.*?\b\d{4,5}\b",
            r"\b(?:block|sperr\w*|bloque[rz]?)\b.*?\bCARD-?\s?\d{4}\b",
            *(RULES, CODE, RECORD, UNASKED),
            rf"{_SHOW}.*?(?:balance|kontostand|solde).*?\bACC-?\s?\d{{4}}\b",
        )
    ),
    re.IGNORECASE,
)
_SUMMONS = re.compile(  # it is the assistant that is spoken to, and told that this comes first
    r"\b(?:assistants?|chatbot|bot|ai|system|prompt|ignore[rz]?|disregard|forget|override\w*"
    r"|developer|admin\w*|auditors?|instructions?|rules|mandatory|before (?:you answer|answering)"
    r"|assistent\w*|ki|ignorier\w*|vergiss|vergessen sie|anweisung\w*|regeln|entwickler\w*"
    r"|prüfer\w*|vor der antwort|oublie[rz]?|consignes?|règles|développeur\w*|avant de répondre)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?\]>])\s+|\n+")
_QUOTED = re.compile(  # what somebody else wrote, or wants to be taken for; with its end
    r"```.*?(?:```|$)|<!--.*?(?:-->|$)|<(system|admin|instructions?)>.*?(?:</\1>|$)"
    r"|\[(system|admin|developer)[^\]]*\].*?(?:\[/\2\]|$)"
    r"|^>.*?$|[\"“„«][^\"“”»]{25,}[\"“”»]",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
_LABELLED = re.compile(  # the same, and nobody says where it ends
    r"(?:^|(?<=\s))(?:system|admin|developer)(?: (?:note|message|override))?:.*$"
    r"|\b(?:e-?mail|message|letter|note|nachricht|brief|courriel|lettre)\b[^:.\n]{0,60}:.*$",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_LOOK_ALIKES = str.maketrans("аеорсухіѕјАЕОРСХІВНКМТ", "aeopcyxisjAEOPCXIBHKMT")
_LEET = str.maketrans("013457", "oieast")
_LEET_WORD = re.compile(r"(?<![\w@-])(?=\w*[a-z])(?=\w*[013457])[a-z013457]{3,}(?![\w@-])", re.I)


def commands(text: str) -> str:
    """The sentences of a text that want a deed, if it speaks to the assistant; else nothing."""
    text = unveiled(text)
    if not _SUMMONS.search(text):
        return ""
    return " ".join(sentence for sentence in _SENTENCE.split(text) if _DEEDS.search(sentence))


def without_commands(text: str) -> str:
    """The text without the sentences that want a deed or speak to the assistant."""
    if not commands(text):
        return text
    read = [(sentence, unveiled(sentence)) for sentence in _SENTENCE.split(text)]
    return " ".join(s for s, seen in read if not _DEEDS.search(seen) and not _SUMMONS.search(seen))


def own_words(text: str) -> str:
    """What a customer says themselves: without what is pasted and wants a deed, or gives orders."""
    text = _QUOTED.sub(lambda part: "" if _DEEDS.search(unveiled(part[0])) else part[0], text)
    text = _LABELLED.sub(lambda part: _after_deeds(part[0]), text)
    sentences = _SENTENCE.split(text)
    kept = [sentence for sentence in sentences if not _orders(unveiled(sentence))]
    return " ".join(kept) if len(kept) < len(sentences) else text


def _after_deeds(text: str) -> str:
    """What follows the last sentence that wants a deed; all of it if none does."""
    sentences = _SENTENCE.split(text)
    deeds = [n for n, sentence in enumerate(sentences, 1) if _DEEDS.search(unveiled(sentence))]
    return " ".join(sentences[deeds[-1] :]) if deeds else text


def _orders(sentence: str) -> bool:
    """Is it "Ignore your rules and …"? A wish to hear the rules is one, though it is declined."""
    asks = re.search(f"{RULES}|{CODE}", sentence, re.IGNORECASE)
    return not asks and bool(_SUMMONS.search(sentence) and _DEEDS.search(sentence))


def unveiled(text: str) -> str:
    """The text and what is hidden in it: unseen marks, look-alikes, digits for letters, codes."""
    seen = _UNSEEN.sub("", text).translate(_LOOK_ALIKES)
    if len(_LEET_WORD.findall(seen)) > 2:
        seen = _LEET_WORD.sub(lambda word: word[0].translate(_LEET), seen)
    hidden = [_from_base64(run) for run in re.findall(r"[A-Za-z0-9+/]{24,}={0,2}", seen)]
    if re.search(r"\brot-?13\b", seen, re.IGNORECASE):
        hidden.append(codecs.decode(seen, "rot13"))
    return "\n".join([seen, *filter(None, hidden)])


def _from_base64(run: str) -> str:
    try:
        decoded = base64.b64decode(run, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded if decoded.isprintable() else ""
