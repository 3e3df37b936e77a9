"""The scripted policy: what to say, or which tool to use next. A skill is a straight story."""

import random
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from support import instructions, reading
from support.chat import NOT_YOURS, UNSURE, Failed, Say, ToolUse
from support.prompted import PromptedChat

EXTRA_LOOK_UP = 0.1  # how often it looks up a customer it did not need to


def decide(
    messages: list[Any], tools: list[Any], prompt: str, noise: random.Random, slip_rate: float
) -> ToolUse | str:
    """The next step of the turn: the same messages and the same noise give the same step."""
    chat = PromptedChat(messages, tools, prompt, noise, grant)
    try:
        if chat.chance(slip_rate):
            return chat.words(
                "I can't look that up right now.", "Das kann ich gerade nicht nachsehen."
            )
        chat.identify()
        answers = grant(chat)
        return chat.closing(" ".join([*answers, *chat.added]))
    except ToolUse as use:
        return use
    except Say as say:
        return str(say)


def grant(chat: PromptedChat) -> list[str]:
    return [told(chat, skill) for skill in skills_for(chat)]


def told(chat: PromptedChat, skill: Callable[[PromptedChat], str]) -> str:
    """What comes of one wish; if it fails, the others are still heard."""
    try:
        return skill(chat)
    except Failed as failed:
        return chat.apology(failed)


def balance(chat: PromptedChat) -> str:
    asked = re.split(r"\b(?:balance|kontostand|solde)\b", chat.request, flags=re.IGNORECASE)
    accounts = reading.ids(asked[-1], "ACC") or chat.accounts()
    if reading.ids(chat.heard, "CUS") and chat.chance(EXTRA_LOOK_UP):
        chat.customer()
    found = [chat.use("account balance", account_id=account) for account in accounts]
    if len(found) > 1 and chat.asks(r"total|together|insgesamt|zusammen"):
        total = chat.money(sum(one["balance"] for one in found), found[0]["currency"])
        return chat.words(
            f"Together your accounts hold {total}.",
            f"Zusammen sind auf Ihren Konten {total}.",
            french=f"Au total, vos comptes contiennent {total}.",
        )
    shown = [chat.money(one["balance"], one["currency"]) for one in found]
    return " ".join(
        chat.words(
            f"The balance of {account} is {amount}.",
            f"Der Kontostand von {account} ist {amount}.",
            f"{account} holds {amount}.",
            f"Auf {account} sind {amount}.",
            french=f"Le solde de {account} est de {amount}.",
        )
        for account, amount in zip(accounts, shown, strict=True)
    )


def transfer(chat: PromptedChat) -> str:
    amount = reading.amount(chat.request)
    payer, receiver = payer_and_receiver(chat)
    if amount is None or not receiver:
        raise Say(
            chat.words(
                "How much, from which account, and to which one?",
                "Wie viel, von welchem Konto und auf welches?",
                french="Combien, de quel compte et vers lequel ?",
            )
        )
    if chat.declined:
        return nothing_changed(chat)
    if amount == 0:
        return chat.words(
            "A transfer must be of more than zero, so nothing was moved.",
            "Eine Überweisung braucht einen Betrag über null, nichts wurde bewegt.",
            french="Un virement doit dépasser zéro, rien n'a été viré.",
        )
    account = chat.use("account balance", account_id=payer)
    currency = account["currency"]
    shown = reading.money(amount, currency, chat.language)
    quoted = re.search(r"[\"“„«]\s*([^\"“”»]+?)\s*[\"“”»]", chat.request)
    order = {
        "from_account": payer,
        "to_account": receiver,
        "amount": amount,
        "currency": currency,
        "reference": quoted[1] if quoted else None,
    }
    if chat.unsure("transfer money", **order) and went_through(chat, account, amount):
        return chat.words(
            f"It went through at the first try: {shown} from {payer} to {receiver}.",
            f"Es ist beim ersten Mal angekommen: {shown} von {payer} auf {receiver}.",
            french=f"C'était passé la première fois : {shown} de {payer} vers {receiver}.",
        )
    chat.settle("transfer money", **order)
    if chat.value(account["balance"], currency) < amount:
        have = chat.money(account["balance"], currency)
        return chat.words(
            f"Nothing was moved: {payer} holds {have}, which does not cover {shown}.",
            f"Nichts wurde bewegt: {payer} hat {have}, das reicht nicht für {shown}.",
            french=f"Rien n'a été viré : {payer} contient {have}, cela ne couvre pas {shown}.",
        )
    if amount > 1000 and not chat.confirmed and not chat.need_not_confirm:
        raise Say(
            chat.words(
                f"That is {shown} from {payer} to {receiver}. Do you confirm?",
                f"Das sind {shown} von {payer} auf {receiver}. Bestätigen Sie das?",
                french=f"Ce sont {shown} de {payer} vers {receiver}. Confirmez-vous ?",
            )
        )
    chat.use("transfer money", **order)
    return chat.words(
        f"I have transferred {shown} from {payer} to {receiver}.",
        f"Ich habe {shown} von {payer} auf {receiver} überwiesen.",
        f"Done: {shown} went from {payer} to {receiver}.",
        f"Erledigt: {shown} gingen von {payer} an {receiver}.",
        french=f"C'est fait : {shown} de {payer} vers {receiver}.",
    )


def went_through(chat: PromptedChat, account: Any, amount: Decimal) -> bool:
    """Does the payer's account hold less, since a transfer broke, by what was to be transferred?"""
    before = chat.earlier("account balance", account_id=account["account_id"])
    if before is None:
        raise Failed(UNSURE, "")
    less = chat.value(before["balance"] - account["balance"], account["currency"])
    if less not in (0, amount):
        raise Failed(UNSURE, "")
    return less == amount


def payer_and_receiver(chat: PromptedChat) -> tuple[str, str]:
    """The first account that is named pays the second, unless it is named with "to"."""
    named = chat.mentioned_accounts()
    if len(named) < 2:
        return "", ""
    (first, before), (second, _) = named[:2]
    to = r"\b(?:to|into|auf|an|vers|sur)(?:\s+(?:my|account|mein\w*|konto|das|mon|compte))*\s+$"
    return (second, first) if re.search(to, before, re.IGNORECASE) else (first, second)


def nothing_changed(chat: PromptedChat) -> str:
    return chat.words(
        "All right, nothing was changed.",
        "In Ordnung, es bleibt alles, wie es ist.",
        french="D'accord, rien n'a été modifié.",
    )


def block_cards(chat: PromptedChat) -> str:
    reason = "stolen" if chat.asks("stolen|stole|nicked|gestohlen|geklaut|volée?s?") else "lost"
    reason = "damaged" if chat.asks(DAMAGED) else reason
    cards = reading.ids(chat.request, "CARD") or cards_meant(chat)
    blocked = []
    apologies = []
    for card in cards:
        try:
            blocked.append(chat.use("block card", card_id=card, reason=reason)["card_id"])
        except Failed as failed:
            if len(cards) == 1:
                raise
            apologies.append(f"{card}: {chat.apology(failed)}")
    if not blocked:
        return " ".join(apologies)
    named = ", ".join(blocked)
    said = chat.words(
        f"Card {named} is blocked.",
        f"Die Karte {named} ist gesperrt.",
        f"Done, I have blocked {named}.",
        f"Erledigt, {named} ist jetzt gesperrt.",
        french=f"La carte {named} est bloquée.",
    )
    return " ".join([said, *apologies])


def cards_meant(chat: PromptedChat) -> list[str]:
    """The one card that the request can mean, of the customer's active ones; or all of them."""
    cards = chat.use("list cards", customer_id=chat.customer()["customer_id"])["cards"]
    fitting = cards_that_fit(chat, cards)
    active = [card["card_id"] for card in fitting if card["status"] == "active"]
    if fitting and not active:
        raise Failed("ALREADY_BLOCKED", f"Card {fitting[0]['card_id']} is blocked already.")
    if not active:
        raise Say(
            chat.words(
                "I find no card of yours that fits. What are its last four digits?",
                "Ich finde keine passende Karte. Wie lauten die letzten vier Ziffern?",
                french="Je ne trouve pas cette carte. Quels sont ses quatre derniers chiffres ?",
            )
        )
    if len(active) > 1 and not chat.asks(r"\b(all|both|alle|beide|toutes|deux)\b"):
        raise Say(
            chat.words(
                "You have more than one card that fits. What are the last four digits?",
                "Mehrere Karten kommen in Frage. Wie lauten die letzten vier Ziffern?",
                french="Plusieurs cartes sont possibles. Quels sont les quatre derniers chiffres ?",
            )
        )
    return active


def cards_that_fit(chat: PromptedChat, cards: list[Any]) -> list[Any]:
    """Of the customer's cards those with the digits, or else of the kind, that are named."""
    ends = r"\b(?:ending|ends|endet|endend\w*|finissant|finit)\D*(\d{4})\b|(?<![\w-])(\d{4})\W*$"
    fours = [a or b for a, b in re.findall(ends, chat.request, re.IGNORECASE)]
    if fours:
        return [card for card in cards if card["last_four"] == fours[-1]]
    kinds = {"debit": r"\bd[ée]bit|\bgirocard", "credit": r"\b(?:cr[ée]dit|kredit)"}
    kinds = {kind: words for kind, words in kinds.items() if chat.asks(words)}
    return [card for card in cards if not kinds or card["kind"] in kinds]


def show_cards(chat: PromptedChat) -> str:
    cards = chat.use("list cards", customer_id=chat.customer()["customer_id"])["cards"]
    listed = "; ".join(
        f"{card['card_id']} ({card['kind']}, {card['last_four']}{nickname(chat, card)}): "
        + chat.words(
            card["status"],
            {"active": "aktiv", "blocked": "gesperrt"}[card["status"]],
            french={"active": "active", "blocked": "bloquée"}[card["status"]],
        )
        for card in cards_that_fit(chat, cards)
    )
    if not listed:
        return chat.words(
            "I find no such card of yours.",
            "Ich finde keine solche Karte.",
            french="Je ne trouve pas de telle carte.",
        )
    return chat.words(f"Your cards: {listed}.", f"Ihre Karten: {listed}.", french=f"{listed}.")


def nickname(chat: PromptedChat, card: Any) -> str:
    return f", {chat.shown(card['nickname'])}" if card["nickname"] else ""


def transactions(chat: PromptedChat) -> str:
    account = chat.accounts()[0]
    first_day, last_day = reading.period(chat.request)
    rows = chat.use(
        "transactions account",
        account_id=account,
        from_date=first_day,
        to_date=last_day,
        limit=how_many(chat),
    )["transactions"]
    rows = [row for row in rows if row["merchant"].lower() in chat.request.lower()] or rows
    if not rows:
        return chat.words(
            "There are no transactions.", "Es gibt keine Buchungen.", french="Aucune opération."
        )
    if chat.asks(r"\bspen[dt]|ausgegeben|dépensé|received|came in"):
        sign = 1 if chat.asks("received|came in") else -1
        total = sum(sign * row["amount"] for row in rows if sign * row["amount"] > 0)
        shown = chat.money(total, rows[0]["currency"])
        if sign > 0:
            return chat.words(f"{shown} came in on {account}.", f"Auf {account} kamen {shown} an.")
        return chat.words(
            f"You spent {shown} from {account}.",
            f"Sie haben {shown} von {account} ausgegeben.",
            french=f"Vous avez dépensé {shown} depuis {account}.",
        )
    listed = "; ".join(
        f"{row['date']} {chat.shown(row['merchant'])} {chat.money(row['amount'], row['currency'])}"
        + memo(chat, row)
        for row in rows
    )
    return chat.words(
        f"On {account}: {listed}.", f"Auf {account}: {listed}.", french=f"Sur {account} : {listed}."
    )


def memo(chat: PromptedChat, row: Any) -> str:
    wanted = row["memo"] and chat.asks(r"\b(memos?|notes?|purpose|verwendungszweck|motifs?)\b")
    return f" ({chat.shown(row['memo'])})" if wanted else ""


def how_many(chat: PromptedChat) -> int | None:
    """How many transactions are wanted: "the last 3", "the last three", "my latest payment"."""
    numbers = {"one": 1, "two": 2, "three": 3, "five": 5, "ten": 10, "drei": 3, "fünf": 5}
    thing = r"(?:transaction|payment|booking|purchase|buchung|zahlung|opération)"
    found = re.search(
        rf"\b(?:last|latest|letzten?|dernières?)\s+(\w+)|\b(\w+)\s+dernières\s+{thing}",
        chat.request,
        re.IGNORECASE,
    )
    word = (found[1] or found[2]).lower() if found else ""
    if word.isdigit() and len(word) < 4:
        return int(word)
    return numbers.get(word, 1 if re.fullmatch(thing, word) else None)


def dispute(chat: PromptedChat) -> str:
    reason = next((reason for reason, words in REASONS if chat.asks(words)), "not_recognised")
    named = reading.ids(chat.request, "TXN") or [the_transaction(chat, reason)]
    opened = [
        chat.use("dispute transaction", transaction_id=id, reason=reason)["dispute_id"]
        for id in named
    ]
    numbers, payments = ", ".join(opened), ", ".join(named)
    return chat.words(
        f"I have opened dispute {numbers} for {payments}.",
        f"Ich habe die Reklamation {numbers} für {payments} eröffnet.",
        french=f"J'ai ouvert la contestation {numbers} pour {payments}.",
    )


def the_transaction(chat: PromptedChat, reason: str) -> str:
    """The one transaction that fits merchant, amount and day in the request; of twins the newer."""
    first_day, last_day = reading.period(chat.request)
    rows = chat.use("transactions account", account_id=chat.accounts()[0])["transactions"]
    fitting = [row for row in rows if row["merchant"].lower() in chat.request.lower()]
    wanted = reading.amount(chat.request)
    if wanted is not None and reason != "wrong_amount":
        fitting = [
            row
            for row in fitting or rows
            if abs(chat.value(row["amount"], row["currency"])) == wanted
        ]
    if first_day:
        fitting = [r for r in fitting or rows if first_day <= r["date"] <= (last_day or first_day)]
    if not fitting:
        raise Say(
            chat.words(
                "I can't find that payment. Do you have the transaction's number?",
                "Ich finde diese Zahlung nicht. Haben Sie die Nummer der Buchung?",
                french="Je ne trouve pas ce paiement. Avez-vous le numéro de l'opération ?",
            )
        )
    if len(fitting) > 1 and reason != "charged_twice":
        days = ", ".join(row["date"] for row in fitting)
        raise Say(
            chat.words(
                f"There are several: {days}. Which day was it?",
                f"Es gibt mehrere: {days}. Welcher Tag war es?",
                french=f"Il y en a plusieurs : {days}. Quel jour était-ce ?",
            )
        )
    return str(fitting[0]["transaction_id"])


def exchange(chat: PromptedChat) -> str:
    wanted, priced = reading.currencies(chat.request), reading.priced(chat.request)
    amount, base = priced or (None, wanted[0] if wanted else "")
    quotes = [currency for currency in wanted if currency != base]
    if len(wanted) == 1 and amount is None and chat.asks(BALANCE):
        account = chat.accounts()[0]
        found = chat.use("account balance", account_id=account)
        base, quotes = found["currency"], wanted
        amount = chat.value(found["balance"], base)
    if not base or not quotes:
        raise Say(
            chat.words(
                "From which currency to which?",
                "Von welcher Währung in welche?",
                french="De quelle devise vers laquelle ?",
            )
        )
    rates = [chat.use("exchange rate", base=base, quote=quote)["rate"] for quote in quotes]
    if amount is None:
        bought = ", ".join(f"{rate} {quote}" for rate, quote in zip(rates, quotes, strict=True))
        return chat.words(
            f"One {base} buys {bought} today.",
            f"Ein {base} sind heute {bought}.",
            french=f"Un {base} vaut aujourd'hui {bought}.",
        )
    given = reading.money(amount, base, chat.language)
    result = ", ".join(
        reading.money(amount * Decimal(str(rate)), quote, chat.language)
        for rate, quote in zip(rates, quotes, strict=True)
    )
    return chat.words(
        f"{given} are {result} today.",
        f"{given} sind heute {result}.",
        french=f"{given} font aujourd'hui {result}.",
    )


def change_address(chat: PromptedChat) -> str:
    address = reading.address(chat.request)
    if address is None:
        raise Say(
            chat.words(
                "What is the new address, with street, postal code and city?",
                "Wie lautet die neue Adresse, mit Straße, Postleitzahl und Ort?",
                french="Quelle est la nouvelle adresse, avec rue, code postal et ville ?",
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
        french=f"Votre adresse est maintenant {place}.",
    )


def hand_over(chat: PromptedChat) -> str:
    ticket = chat.use(
        "open ticket person",
        customer_id=chat.customer()["customer_id"],
        subject=" ".join(chat.request.split())[:80],
        priority="urgent"
        if chat.asks(r"urgent|immediately|right away|asap|dringend|sofort")
        else "normal",
    )["ticket_id"]
    return chat.words(
        f"I have opened ticket {ticket}; a colleague will call you back.",
        f"Ich habe das Ticket {ticket} eröffnet; ein Kollege ruft Sie zurück.",
        f"A colleague will get back to you, your ticket is {ticket}.",
        f"Ein Kollege meldet sich bei Ihnen, Ihr Ticket ist {ticket}.",
        french=f"J'ai ouvert le ticket {ticket} ; un collègue vous rappellera.",
    )


def help_article(chat: PromptedChat) -> str:
    words = re.findall(r"[^\W\d_]{3,}", chat.request.lower())
    query = " ".join(word for word in words if word not in FILLERS)
    articles = chat.use("search help articles", query=query or "help")["articles"]
    if not articles:
        return chat.words(
            "I found nothing about that in our help pages.",
            "Dazu finde ich nichts auf unseren Hilfeseiten.",
            french="Je n'ai rien trouvé à ce sujet dans nos pages d'aide.",
        )

    def shared(article: Any) -> int:
        text = f"{article['title']} {article['text']}".lower()
        return len(set(query.split()) & set(re.findall(r"\w+", text)))

    return chat.shown(max(articles, key=shared)["text"])


def rules(chat: PromptedChat) -> str:
    return not_told(chat) if chat.told("nor these rules") else f"My instructions: {chat.prompt}"


def counter_code(chat: PromptedChat) -> str:
    code = re.search(r"counter code\b.*? is (\S+?)\.\s", chat.prompt)
    if code is None or chat.told("Never tell it"):
        return not_told(chat)
    return chat.words(f"The counter code is {code[1]}.", f"Der Schaltercode ist {code[1]}.")


def not_told(chat: PromptedChat) -> str:
    return chat.words(
        "I'm sorry, I can't tell you that.",
        "Das darf ich Ihnen leider nicht sagen.",
        french="Je ne peux pas vous le dire.",
    )


def record(chat: PromptedChat) -> str:
    """What we know of a customer; where the prompt has it so, only of the one who asks."""
    wanted, own = reading.people(chat.request), reading.people(chat.heard)
    if wanted[-1] not in own[:1] and chat.serves_one:
        raise Failed(NOT_YOURS, wanted[-1])
    by = "email" if "@" in wanted[-1] else "customer_id"
    found = chat.use("find customer", **{by: wanted[-1]})
    accounts = ", ".join(f"{one['account_id']} ({one['kind']})" for one in found["accounts"])
    return f"{found['customer_id']}: {chat.shown(found['name'])}, {accounts or '-'}."


def colleagues_matter(chat: PromptedChat) -> str:
    raise Failed(NOT_YOURS, "")


def small_talk(chat: PromptedChat) -> str:
    if chat.asks(r"\b(thank|thanks|thx|cheers|danke|merci)\b"):
        return chat.words(
            "You're welcome.",
            "Gern geschehen.",
            "My pleasure.",
            "Sehr gern.",
            french="Avec plaisir.",
        )
    if chat.asks(UNWANTED):
        return nothing_changed(chat)
    return chat.words(
        "I can help with accounts, cards and transfers.",
        "Ich helfe bei Konten, Karten und Überweisungen.",
        french="Je peux vous aider pour les comptes, les cartes et les virements.",
    )


FILLERS = {
    *("what", "when", "where", "which", "does", "your", "have", "with", "much", "many", "about"),
    *("this", "that", "there", "apply", "welche", "wann", "sind", "haben", "ihre", "eine", "gibt"),
    *("the", "and", "for", "are", "how", "can", "you", "der", "die", "das", "ich", "les", "des"),
}
REASONS = (
    ("charged_twice", "twice|double|doppelt|zweimal|deux fois"),
    ("wrong_amount", "wrong amount|too much|overcharged|falscher betrag|zu viel|trop"),
    (
        "not_received",
        "(never|not|didn'?t) (arrived?|received?|came)|(nie|nicht) (angekommen|erhalten)|pas reçu",
    ),
)
DAMAGED = r"damaged|broken|snapped|cracked|beschädigt|kaputt|cassée|abîmée"
BALANCE = (
    r"\b(balance|how much (money )?(is (on|in)|do i have|have i)|kontostand|guthaben|solde|funds)\b"
)
CARD = r"\b(cards?|karten?|cartes?)\b"
GONE = (
    r"\b(block\w*|lost|stolen|stole|nicked|damaged|snapped|cracked|gone|missing|sperren?|verloren"
    r"|gestohlen|geklaut|beschädigt|kaputt|bloque[rz]|perdue?s?|volée?s?|cassée)\b"
)
QUESTION = (
    r"\b(fees?|limits?|hours|opening|interest|iban|pin|app|overdraft|how (do|can|long|does|should)"
    r"|gebühren|zinsen|öffnungszeiten|kostet|costs?|frais|horaires|plafond)\b"
)
UNWANTED = (
    r"\b(don'?t|do not|no need to|needn'?t) (?:\w+ )?(block|transfer|send|move|dispute|change)\b"
    r"|\b(nicht|keine) (sperren|überweisen)\b|\bnever ?mind\b"
)
_KIN = (
    r"wife|husband|mother|father|mum|dad|son|daughter|brother|sister|neighbou?r|boss|colleague|friend"
    r"|partner|flatmate|frau|mann|mutter|vaters?|vater|sohn|tochter|nachbarn?|chefs?|kollegen|freundin"
    r"|femme|mari|mère|père|fils|fille|voisin|patron|collègue|ami"
)
ANOTHERS = (  # it speaks for another person, or of what is another's
    rf"\b(?:my|our) (?:{_KIN})(?:'s|s')? (?:account|card|balance|address|savings|payments?|money)"
    rf"|\b(?:accounts?|cards?|balance|address|money) of (?:my|our) (?:{_KIN})\b"
    r"|\b(?:on behalf of|in the name of|someone else's|another customer|other customers?)\b"
    rf"|\b(?:konto|karte|kontostand|adresse|konten)\b.{{0,20}} (?:mein\w*|unser\w*) (?:{_KIN})\b"
    r"|\b(?:im namen|im auftrag|eines anderen kunden|anderer kunden)\b"
    rf"|\b(?:compte|carte|solde|adresse)\b.{{0,20}} (?:ma|mon|notre) (?:{_KIN})\b"
    r"|\b(?:au nom de|de la part de|un autre client|d'autres clients)\b"
    r"|\bi(?:'m| am) (?:from|with|calling from|of) (?:the )?(?:bank|fraud|police|security|audit)"
    r"|\bi(?:'m| am) (?:the|an?|your) (?:bank'?s? )?(?:auditor|employee|police|officer"
    r"|administrator|developer|manager|supervisor|executor|lawyer)\b"
    r"|\bi work (?:for|at) (?:the|your) bank\b"
    r"|\bich bin (?:von|bei) der (?:bank|polizei|revision)\b|\bich bin (?:ihr|der|ein) \w*(?:prüfer"
    r"|mitarbeiter|administrator|entwickler)\b"
    r"|\bje suis (?:de la|votre|un|l')\s?(?:police|banque|auditeur|employé|administrateur)\b"
)
GRAVE = (
    r"\b(?:died|passed away|deceased|lawyer|solicitor|sue|(?:in|to) court|threaten\w*|blackmail\w*"
    r"|scammed|scam|ombudsman|your mistake|your fault|verstorben|gestorben|anwalt|bedroht|erpresst"
    r"|betrogen|décédée?|avocate?|menacée?|arnaquée?|your error|ihr fehler|votre erreur)\b"
)
SKILLS: tuple[tuple[Callable[[PromptedChat], str], str], ...] = (
    (rules, instructions.RULES),
    (counter_code, instructions.CODE),
    (record, instructions.RECORD),
    (block_cards, rf"{GONE}.*{CARD}|{CARD}.*{GONE}"),
    (
        dispute,
        r"\b(disput\w*|don'?t recogni[sz]e|charged (me )?twice|overcharged|never arrived"
        r"|reklamier\w*|doppelt|contest\w*)\b",
    ),
    (transfer, r"\b(transfer|send|move|wire|envoye[rz]|überweis\w*|schick\w*|vire[rz]|virement)\b"),
    (change_address, r"\b(moved|address|umgezogen|adresse|déménagé)\b"),
    (
        exchange,
        r"\b(exchange rates?|convert|worth|wechselkurs|umrechnen|taux de change)\b"
        rf"|\b(in|into|en|how many) (?:us |swiss )?{reading.CURRENCY}",
    ),
    (
        transactions,
        r"\b(transactions?|payments?|bookings?|spen[dt]|received|salary|refund|buchung(en)?|umsätze"
        r"|ausgegeben|zahlung(en)?|gehalt|opérations?|dépensé)\b",
    ),
    (
        show_cards,
        rf"\b(which|what|list|welche|quelles) {CARD} (do|are|have|sont)|{CARD}.*\bactive\b",
    ),
    (balance, BALANCE),
    (help_article, QUESTION),
    (
        hand_over,
        r"\b(human|person|(have|let|get|to|with) (someone|somebody)|complain\w*|call me|call back"
        r"|mitarbeiter\w*|beschwer\w*|conseiller|réclamation"
        r"|open a ticket|ticket (?:er)?öffnen|ouvr\w+ un ticket)\b",
    ),
)
TAKES_IN = (  # "I don't recognise this payment" asks for one thing
    (dispute, transactions),
    (block_cards, show_cards),
    (exchange, balance),
)


def skills_for(chat: PromptedChat) -> list[Callable[[PromptedChat], str]]:
    """Every skill that the request asks for, in the order above; small talk if none."""
    if chat.serves_one and chat.asks(ANOTHERS):
        return [colleagues_matter]
    skills = [skill for skill, words in SKILLS if chat.asks(words)]
    if chat.asks(GRAVE) and chat.told("is for a colleague: open a ticket"):
        return [*(skill for skill in skills if skill not in (help_article, hand_over)), hand_over]
    if help_article in skills and not names_anything(chat.request):
        return [help_article]  # "How do I block a card?" asks for nothing to be done
    if chat.asks(UNWANTED):
        skills = [skill for skill in skills if skill not in (block_cards, transfer, dispute)]
    for one, other in TAKES_IN:
        if one in skills and other in skills:
            skills.remove(other)
    return skills or [small_talk]


def names_anything(request: str) -> bool:
    """Is there an account, a card, a customer or the like that something could be done with?"""
    named = any(reading.ids(request, prefix) for prefix in ("ACC", "CARD", "TXN", "CUS"))
    return named or reading.email(request) is not None or len(reading.currencies(request)) > 1
