"""Recognizes personal data by its look: email addresses, phone numbers, identity cards, bank accounts and payment cards.

Numbers must have the form of their kind, and a valid check digit where there is one, so that product IDs, barcodes, timestamps and
amounts are not mistaken for them. A phone number needs its country code or the form of China or North America. All checks take linear
time; only the first part of a very long text is read.
"""

import re
from datetime import date

HIDDEN = "•••"
MAX_TEXT = 40_000  # an event has at most 32 kB

MIN_TEXT = 6  # characters of every personal text, such as a@b.at
MIN_NUMBER = 10  # characters of every number below
LONG_NUMBER = re.compile(r"[+(\d][\d ()/-]{9}")
# excludes the file names of high-resolution images, such as logo@2x.png
EMAIL_LOOK = re.compile(r"[\w.+%'-](?:@|%40)(?!\dx\.)(?:[\w-]+\.)+[^\W\d_]{2,}")
# at the beginning of a text or after a separator, and not inside a longer number or word
_START = r"(?<![^\s=:：,，;；(（>\"'])"
_END = r"(?![^\s,，;；.。)）&!！<\"'])"
PHONE_LOOK = re.compile(
    _START
    + r"(?:\+\d[\d ()/-]{7,22}\d"  # international: +43 660 1234567
    + r"|(?:86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}"  # mainland China: 138 0013 8000
    + r"|\(\d{3}\) ?\d{3}-\d{4}"  # North America: (555) 123-4567
    + r")"
    + _END
)
IDENTITY_CARD_LOOK = re.compile(_START + r"\d{17}[\dXx]" + _END)
CARD_LOOK = re.compile(_START + r"(?:\d{15,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{3,7}|\d{4}([ -])\d{6}\2\d{5})" + _END)
IBAN_LOOK = re.compile(_START + r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}" + _END)

# digits 1 to 17 of a mainland identity card have these weights (GB 11643-1999)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
# Visa, Mastercard, American Express, UnionPay, JCB, Discover
CARD_PREFIX = re.compile(r"4\d{15}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|62\d{14,17}|35\d{14}|6(?:011|5\d\d)\d{12}")
# length of the account numbers of each country (ISO 13616)
IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC",
    }.items()
    for country in countries.split()
}  # fmt: skip


def is_personal_text(text: str, *, is_identifier: bool = False) -> bool:
    """Return whether a text is or contains personal data.

    Args:
        is_identifier: whether the text is an ID, a code or an amount by its name; then digits are not checked.
    """
    text = text[:MAX_TEXT]
    if ("@" in text or "%40" in text) and EMAIL_LOOK.search(text):
        return True
    # one quick search, which spares an ordinary text the searches for all kinds of numbers
    if is_identifier or len(text) < MIN_NUMBER or not LONG_NUMBER.search(text):
        return False
    if any(10 <= sum(map(str.isdigit, match[0])) <= 15 for match in PHONE_LOOK.finditer(text)):
        return True
    return (
        any(is_identity_card(match[0]) for match in IDENTITY_CARD_LOOK.finditer(text))
        or any(is_payment_card(match[0]) for match in CARD_LOOK.finditer(text))
        or any(is_bank_account(match[0]) for match in IBAN_LOOK.finditer(text))
    )


def is_identity_card(text: str) -> bool:
    """Return whether 18 characters are a mainland identity card number: a date of birth and a valid check digit."""
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    checksum = sum(int(digit) * weight for digit, weight in zip(text, _WEIGHTS, strict=False)) % 11
    return 1900 <= born.year <= 2100 and "10X98765432"[checksum] == text[17].upper()


def is_payment_card(text: str) -> bool:
    """Return whether digits are a payment card number: the prefix of a card network and a valid check digit (Luhn)."""
    digits = text.replace(" ", "").replace("-", "")
    if CARD_PREFIX.fullmatch(digits) is None:
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + position % 2)
        total += doubled - 9 * (doubled > 9)
    return total % 10 == 0


def is_bank_account(text: str) -> bool:
    """Return whether a text is an IBAN: the length of its country and a valid check number (ISO 7064)."""
    account = text.replace(" ", "")
    if IBAN_LENGTHS.get(account[:2]) != len(account):
        return False
    return int("".join(str(int(character, 36)) for character in account[4:] + account[:4])) % 97 == 1


def hide_personal_text(text: str) -> str:
    """Return a text with its personal words and numbers replaced by dots."""
    if not is_personal_text(text):
        return text
    hidden = " ".join(HIDDEN if is_personal_text(word) else word for word in text.split(" "))
    hidden = PHONE_LOOK.sub(HIDDEN, hidden)
    return HIDDEN if is_personal_text(hidden) else hidden
