"""How many parts an SMS has, which is what providers charge for.

In China every character counts as one, signature included: 70 characters fit in one part, and of longer messages 67 in each
(https://help.aliyun.com/document_detail/44335.htm; Tencent Cloud counts the same). Elsewhere, texts of the GSM alphabet have 160 and 153.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from recommendations.sending.channels.accounts import Account
from recommendations.sending.channels.aliyun import build_template_parameters
from recommendations.sending.sms.pushes import READERS

SINGLE, OF_SEVERAL = 70, 67
GSM_SINGLE, GSM_OF_SEVERAL = 160, 153
GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_DOUBLE = frozenset("|^€{}[]~\\")
VARIABLES = {"aliyun": re.compile(r"\$\{([A-Za-z0-9_]{1,64})\}"), "tencent": re.compile(r"\{(\d{1,3})\}")}


@dataclass(frozen=True)
class SmsSize:
    """The length of a message as it arrives, and the parts that are charged."""

    characters: int
    parts: int


def measure_sms(text: str, account: Account | None, *, is_transactional: bool) -> SmsSize:
    """Return the size of a rendered message as the account sends it: with signature, registered template and how to unsubscribe."""
    full = complete_text(text, account, is_transactional=is_transactional)
    if account is not None and account.provider in READERS:
        return make_size(count_units(full), SINGLE, OF_SEVERAL)
    if set(full) <= GSM | GSM_DOUBLE:
        characters = len(full) + sum(character in GSM_DOUBLE for character in full)
        return make_size(characters, GSM_SINGLE, GSM_OF_SEVERAL)
    return make_size(count_units(full), SINGLE, OF_SEVERAL)


def count_units(text: str) -> int:
    """Return the length as networks count it: an emoji is two characters."""
    return len(text.encode("utf-16-le", "replace")) // 2


def make_size(characters: int, single: int, of_several: int) -> SmsSize:
    return SmsSize(characters, 1 if characters <= single else -(-characters // of_several))


def complete_text(text: str, account: Account | None, *, is_transactional: bool) -> str:
    """Return the text as it arrives."""
    if account is None or account.provider not in READERS:
        return text.strip()
    parameters = build_template_parameters(text)
    template = str(account.options.get("template_text") or "")
    body = fill_template(template, account.provider, parameters) if template else "".join(map(str, parameters.values()))
    suffix = "" if is_transactional else str(account.options.get("unsubscribe_text") or "")
    return f"【{account.options.get('sign_name', '')}】{body}{suffix}"


def fill_template(template: str, provider: str, parameters: dict[str, object]) -> str:
    """Return a registered template with its variables: by name at Aliyun, by position at Tencent Cloud."""
    values = {name: str(value) for name, value in parameters.items()}
    if provider == "tencent":
        values = {str(number): value for number, value in enumerate(values.values(), start=1)}
    return VARIABLES[provider].sub(lambda match: values.get(match[1], match[0]), template)


def read_part_price(account: Account | None) -> Decimal | None:
    """Return the price of a part in the shop's currency; None if it was not entered."""
    price = account.options.get("part_price") if account is not None else ""
    return Decimal(str(price)) if price else None
