"""Personal traits of an event travel and rest as one encrypted text; only identity reads them in clear."""

from typing import Any

import msgspec

from customers.identity.fields import decrypt, encrypt

_NAMES = (
    "email",
    "phone",
    "mobile",
    "name",
    "first name",
    "middle name",
    "last name",
    "full name",
    "birthday",
    "birthdate",
    "birth date",
    "date of birth",
    "dob",
    "address",
    "street",
    "postal code",
    "zip",
    "zip code",
    "username",
    "user name",
    "avatar",
    "email address",
    "phone number",
)


def spellings(name: str) -> list[str]:
    """``first name`` as firstName, FirstName, first_name, firstname, first-name and itself."""
    words = name.split()
    capitals = "".join(word.capitalize() for word in words)
    return [name, capitals[0].lower() + capitals[1:], capitals, "_".join(words), "".join(words), "-".join(words)]


# the names of traits, as the SDKs' specification and shops spell them, that name or locate a person
PERSONAL_TRAITS: frozenset[str] = frozenset(spelt for name in _NAMES for spelt in spellings(name))


def seal_personal(traits: dict[str, Any]) -> str:
    """The traits as one encrypted text."""
    return encrypt(msgspec.json.encode(traits).decode())


def unseal_personal(sealed: str) -> dict[str, Any]:
    """Raises UnreadableFieldError when FIELD_KEYS lacks the key that wrote it."""
    return msgspec.json.decode(decrypt(sealed), type=dict[str, Any])
