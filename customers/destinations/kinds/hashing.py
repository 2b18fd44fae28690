"""SHA-256 of identifiers after the normalization that advertising accounts ask for.

Meta: developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters. Google:
developers.google.com/data-manager/api/devguides/concepts/formatting (email without spaces, in lowercase, for gmail.com and
googlemail.com without dots; phone numbers in E.164).
"""

import re
import unicodedata
from hashlib import sha256

from config.foundation.shop.phone_numbers import CALLING_CODES

MIN_DIGITS, MAX_DIGITS = 8, 15  # of an international number, E.164
KEEPS_ZERO = frozenset({"IT"})


def compute_sha256(text: str) -> str:
    """Return the hexadecimal SHA-256 of a normalized text; empty for an empty one."""
    return sha256(text.encode()).hexdigest() if text else ""


def normalize_email(email: str) -> str:
    """Return an email address without spaces and in lowercase; empty if the text is not an email address."""
    text = "".join(unicodedata.normalize("NFKC", email).split()).lower()
    return text if text.count("@") == 1 and all(text.split("@")) else ""


def normalize_google_email(email: str) -> str:
    """Return an email address as Google compares it: those of Gmail without dots."""
    text = normalize_email(email)
    local, _at, domain = text.partition("@")
    return f"{local.replace('.', '')}@{domain}" if domain in ("gmail.com", "googlemail.com") else text


def normalize_phone(phone: str, country: str = "") -> str:
    """Return the digits of an international number; empty if its country code is not known."""
    text = unicodedata.normalize("NFKC", phone).strip()
    digits = re.sub(r"\D", "", text)
    if text.startswith("+") or digits.startswith("00"):
        digits = digits.removeprefix("00")
    else:
        code = CALLING_CODES.get(country.strip().upper(), "")
        if not code:
            return ""
        national = digits if country.upper() in KEEPS_ZERO else digits.lstrip("0")
        digits = code + national
    return digits if MIN_DIGITS <= len(digits) <= MAX_DIGITS else ""


def normalize_name(name: str) -> str:
    """Return a name in lowercase without punctuation and digits."""
    text = unicodedata.normalize("NFC", name).strip().lower()
    return "".join(letter for letter in text if letter.isalpha() or letter == " ").strip()
