"""The scripted policy: what to say, or which tool to use next. A skill is a straight story."""

import random
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from support import reading
from support.chat import Chat, Failed, Say, ToolUse
from support.prompted import PromptedChat

EXTRA_LOOK_UP = 0.1  # how often it looks up a customer it did not need to


def decide(
    messages: list[Any], tools: list[Any], prompt: str, noise: random.Random, slip_rate: float
) -> ToolUse | str:
    """The next step of the turn: the same messages and the same noise give the same step."""
    chat = PromptedChat(messages, tools, prompt, noise)
    try:
        if chat.chance(slip_rate):
            return chat.words(
                "I can't look that up right now.", "Das kann ich gerade nicht nachsehen."
            )
        chat.identify()
        return chat.closing(" ".join(skill(chat) for skill in skills_for(chat.request)))
    except ToolUse as use:
        return use
    except Say as say:
        return str(say)
    except Failed as failed:
        return chat.apology(failed)


def balance(chat: Chat) -> str:
    accounts = chat.accounts()
    if reading.ids(chat.heard, "CUS") and chat.chance(EXTRA_LOOK_UP):
        chat.customer()
    found = [chat.use("account balance", account_id=account) for account in accounts]
    if len(found) > 1 and chat.asks(r"total|together|insgesamt|zusammen"):
        total = chat.money(sum(one["balance"] for one in found), found[0]["currency"])
        return chat.words(
            f"Together your accounts hold {total}.", f"Zusammen sind auf Ihren Konten {total}."
        )
    shown = [chat.money(one["balance"], one["currency"]) for one in found]
    return " ".join(
        chat.words(
            f"The balance of {account} is {amount}.",
            f"Der Kontostand von {account} ist {amount}.",
            f"{account} holds {amount}.",
            f"Auf {account} sind {amount}.",
        )
        for account, amount in zip(accounts, shown, strict=True)
    )


def transfer(chat: Chat) -> str:
    accounts, amount = reading.ids(chat.request, "ACC"), reading.amount(chat.request)
    if len(accounts) < 2 or amount is None:
        raise Say(
            chat.words(
                "How much, from which account, and to which one?",
                "Wie viel, von welchem Konto und auf welches?",
            )
        )
    payer, receiver = accounts[:2]
    if chat.asks(rf"\b(?:to|auf|an)\s+(?:account\s+|konto\s+)?{payer}\b"):
        payer, receiver = receiver, payer
    account = chat.use("account balance", account_id=payer)
    shown = reading.money(amount, account["currency"], chat.german)
    if chat.value(account["balance"], account["currency"]) < amount:
        have = chat.money(account["balance"], account["currency"])
        return chat.words(
            f"Nothing was moved: {payer} holds {have}, which does not cover {shown}.",
            f"Nichts wurde bewegt: {payer} hat {have}, das reicht nicht für {shown}.",
        )
    if amount > 1000 and not chat.confirmed:
        raise Say(
            chat.words(
                f"That is {shown} from {payer} to {receiver}. Do you confirm?",
                f"Das sind {shown} von {payer} auf {receiver}. Bestätigen Sie das?",
            )
        )
    chat.use("transfer money", from_account=payer, to_account=receiver, amount=amount)
    return chat.words(
        f"I have transferred {shown} from {payer} to {receiver}.",
        f"Ich habe {shown} von {payer} auf {receiver} überwiesen.",
        f"Done: {shown} went from {payer} to {receiver}.",
        f"Erledigt: {shown} gingen von {payer} an {receiver}.",
    )


def block_card(chat: Chat) -> str:
    reason = "stolen" if chat.asks("stolen|stole|gestohlen|geklaut") else "lost"
    reason = "damaged" if chat.asks("damaged|broken|beschädigt|kaputt") else reason
    cards = reading.ids(chat.request, "CARD") or [the_card(chat)]
    named = ", ".join(
        chat.use("block card", card_id=card, reason=reason)["card_id"] for card in cards
    )
    return chat.words(
        f"Card {named} is blocked.",
        f"Die Karte {named} ist gesperrt.",
        f"Done, I have blocked {named}.",
        f"Erledigt, {named} ist jetzt gesperrt.",
    )


def the_card(chat: Chat) -> str:
    """The one card that the request can mean, of the customer's active ones."""
    cards = chat.use("list cards", customer_id=chat.customer()["customer_id"])["cards"]
    active = [card for card in cards if card["status"] == "active"]
    four = re.search(r"\b(?:ending|ends|endet|endend)\D*(\d{4})\b", chat.request, re.IGNORECASE)
    if four:
        active = [card for card in active if card["last_four"] == four[1]]
    elif chat.asks(r"\b(debit|credit|kredit)"):
        kind = "debit" if chat.asks(r"\bdebit") else "credit"
        active = [card for card in active if card["kind"] == kind]
    if not active:
        raise Say(
            chat.words(
                "I find no active card of yours that fits.",
                "Ich finde keine passende aktive Karte.",
            )
        )
    if len(active) > 1:
        raise Say(
            chat.words(
                "You have more than one card that fits. What are the last four digits?",
                "Mehrere Karten kommen in Frage. Wie lauten die letzten vier Ziffern?",
            )
        )
    return str(active[0]["card_id"])


def transactions(chat: Chat) -> str:
    account = chat.accounts()[0]
    days = reading.iso_dates(chat.request)
    limit = re.search(r"\b(?:last|latest|letzten?)\s+(\d+)\b", chat.request, re.IGNORECASE)
    rows = chat.use(
        "transactions account",
        account_id=account,
        from_date=days[0] if days else None,
        to_date=days[1] if len(days) > 1 else None,
        limit=int(limit[1]) if limit else None,
    )["transactions"]
    rows = [row for row in rows if row["merchant"].lower() in chat.request.lower()] or rows
    if not rows:
        return chat.words("There are no transactions.", "Es gibt keine Buchungen.")
    if chat.asks(r"spen[dt]|ausgegeben"):
        spent = chat.money(
            -sum(row["amount"] for row in rows if row["amount"] < 0), rows[0]["currency"]
        )
        return chat.words(
            f"You spent {spent} from {account}.", f"Sie haben {spent} von {account} ausgegeben."
        )
    listed = "; ".join(
        f"{row['date']} {row['merchant']} {chat.money(row['amount'], row['currency'])}"
        for row in rows
    )
    return chat.words(f"On {account}: {listed}.", f"Auf {account}: {listed}.")


def dispute(chat: Chat) -> str:
    reason = "not_recognised"
    for candidate, words in (
        ("charged_twice", "twice|double|doppelt|zweimal"),
        ("wrong_amount", "wrong amount|too much|falscher betrag|zu viel"),
        ("not_received", "never arrived|not received|never received|nie angekommen"),
    ):
        if chat.asks(words):
            reason = candidate
    named = reading.ids(chat.request, "TXN") or [the_transaction(chat)]
    opened = chat.use("dispute transaction", transaction_id=named[0], reason=reason)
    return chat.words(
        f"I have opened dispute {opened['dispute_id']} for {named[0]}.",
        f"Ich habe die Reklamation {opened['dispute_id']} für {named[0]} eröffnet.",
    )


def the_transaction(chat: Chat) -> str:
    """The one transaction that fits the merchant or the amount in the request."""
    rows = chat.use("transactions account", account_id=chat.accounts()[0])["transactions"]
    fitting = [row for row in rows if row["merchant"].lower() in chat.request.lower()]
    wanted = reading.amount(chat.request)
    if wanted is not None:
        fitting = [
            row
            for row in fitting or rows
            if abs(chat.value(row["amount"], row["currency"])) == wanted
        ]
    if not fitting:
        raise Say(
            chat.words(
                "I can't find that payment. Do you have the transaction's number?",
                "Ich finde diese Zahlung nicht. Haben Sie die Nummer der Buchung?",
            )
        )
    return str(fitting[0]["transaction_id"])


def exchange(chat: Chat) -> str:
    wanted = reading.currencies(chat.request)
    if len(wanted) < 2:
        raise Say(chat.words("From which currency to which?", "Von welcher Währung in welche?"))
    base, quote = wanted[:2]
    rate = chat.use("exchange rate", base=base, quote=quote)["rate"]
    amount = reading.amount(chat.request)
    if amount is None:
        return chat.words(
            f"One {base} buys {rate} {quote} today.", f"Ein {base} sind heute {rate} {quote}."
        )
    given = reading.money(amount, base, chat.german)
    result = reading.money(amount * Decimal(str(rate)), quote, chat.german)
    return chat.words(f"{given} are {result} today.", f"{given} sind heute {result}.")


def change_address(chat: Chat) -> str:
    address = reading.address(chat.request)
    if address is None:
        raise Say(
            chat.words(
                "What is the new address, with street, postal code and city?",
                "Wie lautet die neue Adresse, mit Straße, Postleitzahl und Ort?",
            )
        )
    customer = chat.customer()["customer_id"]
    chat.use("change address", customer_id=customer, **address)
    place = f"{address['street']}, {address['postal_code']} {address['city']}"
    return chat.words(
        f"Your address is now {place}.",
        f"Ihre Adresse ist jetzt {place}.",
        f"I have changed your address to {place}.",
        f"Ich habe Ihre Adresse auf {place} geändert.",
    )


def hand_over(chat: Chat) -> str:
    ticket = chat.use(
        "open ticket person",
        customer_id=chat.customer()["customer_id"],
        subject=" ".join(chat.request.split())[:80],
        priority="urgent" if chat.asks("urgent|immediately|dringend|sofort") else "normal",
    )["ticket_id"]
    return chat.words(
        f"I have opened ticket {ticket}; a colleague will call you back.",
        f"Ich habe das Ticket {ticket} eröffnet; ein Kollege ruft Sie zurück.",
        f"A colleague will get back to you, your ticket is {ticket}.",
        f"Ein Kollege meldet sich bei Ihnen, Ihr Ticket ist {ticket}.",
    )


def help_article(chat: Chat) -> str:
    words = re.findall(r"[a-zäöüß]{4,}", chat.request.lower())
    query = " ".join(word for word in words if word not in FILLERS)
    articles = chat.use("search help articles", query=query or "help")["articles"]
    if not articles:
        return chat.words(
            "I found nothing about that in our help pages.",
            "Dazu finde ich nichts auf unseren Hilfeseiten.",
        )
    return str(articles[0]["text"])


def small_talk(chat: Chat) -> str:
    if chat.asks(r"\b(thank|thanks|danke)"):
        return chat.words("You're welcome.", "Gern geschehen.", "My pleasure.", "Sehr gern.")
    return chat.words(
        "Hello, I help with accounts, cards and transfers.",
        "Guten Tag, ich helfe bei Konten, Karten und Überweisungen.",
    )


FILLERS = {
    *("what", "when", "where", "which", "does", "your", "have", "with", "much", "many", "about"),
    *("this", "that", "there", "apply", "welche", "wann", "sind", "haben", "ihre", "eine", "gibt"),
}
CARD = r"\b(card|karte\w*)\b"
GONE = r"\b(block|lost|stolen|stole|damaged|gone|sperren?|verloren|gestohlen|geklaut|beschädigt)\b"
SKILLS: tuple[tuple[Callable[[Chat], str], str], ...] = (
    (hand_over, r"\b(human|person|someone|complain\w*|call me|mitarbeiter\w*|beschwer\w*)\b"),
    (block_card, rf"{GONE}.*{CARD}|{CARD}.*{GONE}"),
    (
        dispute,
        r"\b(disput\w*|don'?t recogni[sz]e|charged (me )?twice|reklamier\w*|doppelt)\b",
    ),
    (transfer, r"\b(transfer|send|move|überweis\w*|schick\w*)\b"),
    (change_address, r"\b(moved|address|umgezogen|adresse)\b"),
    (exchange, r"\b(exchange rate|convert|wechselkurs|umrechnen|in (dollars?|euros?|pounds?))\b"),
    (
        transactions,
        r"\b(transactions?|payments?|bookings?|spen[dt]|buchungen|umsätze|ausgegeben|zahlungen)\b",
    ),
    (balance, r"\b(balance|how much (money )?(is|do i have|have i)|kontostand|guthaben)\b"),
    (help_article, r"\b(fees?|limits?|hours|opening|how (do|can|long)|gebühren|kostet|cost)\b"),
)


def skills_for(request: str) -> list[Callable[[Chat], str]]:
    """Every skill that the request asks for, in the order above; small talk if none."""
    skills = [skill for skill, words in SKILLS if re.search(words, request, re.IGNORECASE)]
    if dispute in skills and transactions in skills:
        skills.remove(transactions)  # "I don't recognise this payment" asks for one thing
    return skills or [small_talk]
