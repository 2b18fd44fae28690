"""The masking policy: which values are personal, who may see them, and how they are hidden from everyone else.

Pages, serializers and exports that show customers, their IDs or their events use it; there is no other rule. What is recognized as
personal is in ``recognition``, which also decides what is encrypted.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from config.foundation.audit_log import count_shown_value
from customers.identity.personal_data.personal_names import IDENTIFIER, classify_name
from customers.identity.personal_data.personal_texts import is_personal_text
from customers.identity.personal_data.personal_traits import is_personal_trait
from customers.identity.personal_data.recognition import describes_person, is_personal, is_personal_by_name

MASK = "•••"
VIEW_PERSONAL_PERMISSION = "identity.view_personal"
PERSONAL_SCOPE = "customers:personal"
PERSONAL_PART = "$personal"  # the key under which the collector stores personal data, encrypted
HASH_PREFIX_LENGTH = 8

# A whole address in text or in a URL, where the @ is written %40. The look-behind lets a match begin at the beginning of a word only,
# without which a long word takes quadratic time.
EMAIL = re.compile(
    r"(?<![^\s\"'<>(),:;/?&=#])[@＠]*+(?:[^\s\"'<>(),:;/?&=#@＠%]|%(?!(?:25)*+40))++(?:[@＠]|%(?:25)*+40)[^\s\"'<>(),:;/?&=#]++"
)
# A whole international number, also in a URL, or a Chinese mobile number, which many shops use as the user ID.
PHONE = re.compile(
    r"(?<![\w+.\-])(?:(?:\+|%2[Bb])[1-9](?:[ ().\-/]{0,2}\d){7,14}+|(?:86[ \-]?)?1[3-9]\d{9})(?![\w]|[.\-]\d)"
)
# keys of IDs of persons; identifiers are stored with their kind and their value
ID_NAMES = frozenset({"userid", "anonymousid", "previousid", "distinctid", "value"})
HideValue = Callable[[Any], str]


def may_see_personal(caller: Any) -> bool:
    """Return whether a request, or a user, may see personal data: by the scope of an API key or the permission of a user."""
    grant = getattr(caller, "auth", None)
    if grant is not None:
        return PERSONAL_SCOPE in getattr(grant, "scopes", ())
    user = getattr(caller, "user", caller)
    return bool(user.has_perm(VIEW_PERSONAL_PERMISSION))


def is_personal_id(value: str) -> bool:
    """Return whether the ID of a person is, or contains, an email address or a phone number."""
    return EMAIL.search(value) is not None or PHONE.search(value) is not None or is_personal_text(value)


def is_hidden_trait(name: str, value: Any) -> bool:
    """Return whether a trait of a customer is personal as a whole: it identifies, contacts or locates a person."""
    return is_personal_trait(name, value) or is_personal(name, value, among_traits=True)


def mask_id(value: str, *, with_personal: bool = False, mask: str = MASK) -> str:
    """Return the ID of a person, or the mask if it is an email address or a phone number that the reader may not see."""
    if not is_personal_id(value):
        return value
    if with_personal:
        count_shown_value()
        return value
    return mask


def mask_text(text: str, *, with_personal: bool = False) -> str:
    """Return a text with the email addresses and phone numbers in it masked; all of it if it has other personal numbers."""
    if not text:
        return text
    if with_personal:
        if is_personal_id(text):
            count_shown_value()
        return text
    masked = PHONE.sub(MASK, EMAIL.sub(MASK, text))
    return MASK if is_personal_text(masked) else masked


def mask_hash(value: str, *, with_personal: bool) -> str:
    """Return the beginning of a keyed hash of an address or number; the whole hash could be compared with others."""
    return f"{value[:HASH_PREFIX_LENGTH]}…" if with_personal else MASK


def mask_json(value: Any, *, among_traits: bool = False) -> Any:
    """Return a copy of traits, properties or a context with personal values masked."""
    return replace_personal(value, lambda _personal: MASK, replace_text=mask_text, among_traits=among_traits)


def mask_json_text(text: str) -> str:
    """Return a text, or the JSON in it, with personal values masked; for texts that may be either, as in the audit log."""
    if text[:1] in ("{", "["):
        try:
            return json.dumps(mask_json(json.loads(text), among_traits=True), ensure_ascii=False)
        except (ValueError, RecursionError):
            return MASK
    return mask_text(text)


def replace_personal(
    value: Any,
    hide: HideValue,
    *,
    name: str = "",
    replace_text: Callable[[str], str] | None = None,
    among_traits: bool = False,
) -> Any:
    """Return a copy of JSON in which ``hide`` replaced each personal value that is not empty.

    Args:
        name: the key of the value.
        replace_text: masks the personal parts of a text; without it, a text that has such parts is hidden as a whole.
        among_traits: whether the value describes a person, whose name is personal, unlike that of a product.
    """
    flags = classify_name(name) if name else 0
    if name == PERSONAL_PART or is_personal_by_name(flags, value, among_traits=among_traits):
        return hide(value)
    options: dict[str, Any] = {"replace_text": replace_text}
    if isinstance(value, str):
        return (replace_text or hide)(value) if is_personal_value(name, value, flags) else value
    if not isinstance(value, dict | list):
        return value
    options |= {"among_traits": describes_person(flags, among_traits=among_traits)}
    if isinstance(value, list):
        return [replace_personal(inner, hide, name=get_element_name(inner, name), **options) for inner in value]
    copy: dict[str, Any] = {}
    for key, inner in value.items():
        shown = find_free_name(hide(key), copy) if is_personal_id(key) else key
        copy[shown] = replace_personal(inner, hide, name=key, **options)
    return copy


def get_element_name(element: Any, name: str) -> str:
    """Return the name of an element of a list: a text has the name of the list, an object or an inner list has none."""
    return "" if isinstance(element, dict | list) else name


def is_personal_value(name: str, text: str, flags: int) -> bool:
    """Return whether a text looks personal; the digits of an order or product ID do not, but those of a person's ID do."""
    if flags & IDENTIFIER and name.replace("_", "").casefold() not in ID_NAMES:
        return is_personal_text(text, is_identifier=True) or EMAIL.search(text) is not None
    return is_personal_id(text)


def find_free_name(name: str, names: dict[str, Any]) -> str:
    """Return a name, or the name with a number if it is taken."""
    number, free = 1, name
    while free in names:
        number += 1
        free = f"{name} ({number})"
    return free
