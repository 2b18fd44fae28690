"""Finds personal data in JSON by name and by look, at any depth, and takes it out.

What is taken out of an object is again an object, with the same nesting: ``{"user": {"email": "a@b.org", "plan": "gold"}}`` becomes
``{"user": {"plan": "gold"}}`` and ``{"user": {"email": "a@b.org"}}``. Positions of lists are keys, and the list keeps null there.
``merge_personal`` puts both together again.
"""

from collections.abc import Iterable
from typing import Any

from customers.identity.personal_data.personal_names import (
    IDENTIFIER,
    PERSON,
    PERSONAL,
    PERSONAL_TRAIT,
    THING,
    classify_name,
    plain_names,
)
from customers.identity.personal_data.personal_texts import MIN_TEXT, is_personal_text

# every number that looks personal has a run of so many digits, plus signs and separators
MIN_RUN = 11
_RUN_TABLE = bytes(ord("0") if byte in b"0123456789+ -()/" else byte for byte in range(256))
_RUN = b"0" * MIN_RUN
AT, PERCENT = b"@%"


def is_personal(name: str, value: Any, *, among_traits: bool = False) -> bool:
    """Return whether a named value of JSON is personal as a whole, or contains something personal at any depth.

    Args:
        among_traits: whether the value describes a person, whose name and address are personal, unlike those of a product.
    """
    flags = classify_name(name)
    if is_personal_by_name(flags, value, among_traits=among_traits):
        return True
    return has_personal(value, flags, among_traits=among_traits)


def is_personal_by_name(flags: int, value: Any, *, among_traits: bool) -> bool:
    """Return whether the flags of a name make its value personal; an empty value and a boolean never are."""
    if value is None or value is True or value is False or value in ("", [], {}):
        return False
    return bool(flags & PERSONAL or (among_traits and flags & PERSONAL_TRAIT))


def has_personal(value: Any, flags: int = 0, *, among_traits: bool = False) -> bool:
    """Return whether a value contains something personal, by its look or by the names inside."""
    if isinstance(value, str):
        return is_personal_text(value, is_identifier=bool(flags & IDENTIFIER))
    if isinstance(value, list):
        return any(has_personal(inner, flags, among_traits=among_traits) for inner in value)
    if isinstance(value, dict):
        among = describes_person(flags, among_traits=among_traits)
        return any(is_personal(name, inner, among_traits=among) for name, inner in value.items())
    return False


def describes_person(flags: int, *, among_traits: bool) -> bool:
    """Return whether an object under a name with these flags describes a person."""
    return bool(flags & PERSON) or (among_traits and not flags & THING)


def extract_personal(tree: dict[str, Any], *, among_traits: bool = False) -> dict[str, Any]:
    """Take the personal values out of an object, and return them with the same nesting.

    Args:
        among_traits: as in ``is_personal``.
    """
    personal: dict[str, Any] = {}
    taken = []
    personal_flags = PERSONAL | PERSONAL_TRAIT if among_traits else PERSONAL
    for name, value in tree.items():
        flags = classify_name(name)
        if flags & personal_flags and is_personal_by_name(flags, value, among_traits=among_traits):
            personal[name] = value
            taken.append(name)
        elif type(value) is str:
            if len(value) >= MIN_TEXT and is_personal_text(value, is_identifier=bool(flags & IDENTIFIER)):
                personal[name] = value
                taken.append(name)
        elif inner := extract_inner(value, flags, among_traits=among_traits):
            personal[name] = inner
    for name in taken:
        del tree[name]
    return personal


def extract_inner(value: Any, flags: int, *, among_traits: bool) -> dict[str, Any]:
    """Take the personal values out of an object or a list; anything else contains none."""
    if isinstance(value, dict):
        return extract_personal(value, among_traits=describes_person(flags, among_traits=among_traits))
    if not isinstance(value, list):
        return {}
    personal: dict[str, Any] = {}
    for position, inner in enumerate(value):
        if isinstance(inner, str) and is_personal_text(inner, is_identifier=bool(flags & IDENTIFIER)):
            personal[str(position)] = inner
            value[position] = None
        elif part := extract_inner(inner, flags, among_traits=among_traits):
            personal[str(position)] = part
    return personal


def merge_personal(rest: Any, personal: Any) -> Any:
    """Return a value together with what ``extract_personal`` took out of it."""
    if not isinstance(personal, dict):
        return personal
    if isinstance(rest, dict):
        return rest | {name: merge_personal(rest.get(name), value) for name, value in personal.items()}
    if isinstance(rest, list):
        merged = list(rest)
        for position, value in personal.items():
            if position.isdecimal() and int(position) < len(merged):
                merged[int(position)] = merge_personal(merged[int(position)], value)
        return merged
    return personal


def may_have_personal_names(tree: dict[str, Any], encoded: bytes) -> bool:
    """Return whether an object has a name, at any depth, that is personal or was never classified.

    This is much faster than the search, which need not follow if neither this nor ``may_look_personal`` is true.

    Args:
        encoded: the object as JSON, without spaces; shows whether there are inner objects.
    """
    if not plain_names.issuperset(tree) and any(
        name not in plain_names and value is not None and type(value) is not bool for name, value in tree.items()
    ):
        return True
    return encoded.find(b"{", 1) >= 0 and _may_have_personal_names_inside(tree.values())


def _may_have_personal_names_inside(values: Iterable[Any]) -> bool:
    for value in values:
        kind = type(value)
        if kind is dict:
            if not plain_names.issuperset(value) or _may_have_personal_names_inside(value.values()):
                return True
        elif kind is list and _may_have_personal_names_inside(value):
            return True
    return False


def may_look_personal(encoded: bytes) -> bool:
    """Return whether JSON has an @ or a long number, without which nothing in it looks personal."""
    return may_have_email(encoded) or may_have_number(encoded)


def may_have_email(encoded: bytes) -> bool:
    """Return whether JSON has an @, which URLs write as %40."""
    # find and integers, since "in" with bytes takes ten times as long
    return AT in encoded or (PERCENT in encoded and encoded.find(b"%40") >= 0)


def may_have_number(encoded: bytes) -> bool:
    """Return whether JSON has digits that can be a phone, card or account number."""
    return encoded.translate(_RUN_TABLE).find(_RUN) >= 0
