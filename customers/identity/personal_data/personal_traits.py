"""Recognizes personal traits and encrypts them as one text; only identity decrypts them."""

import re
from typing import Any

import msgspec

from customers.identity.personal_data.encrypted_field import decrypt, encrypt

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


def list_spellings(name: str) -> list[str]:
    """Return the spellings of a name such as ``first name``: itself, firstName, FirstName, first_name, firstname, first-name."""
    words = name.split()
    capitals = "".join(word.capitalize() for word in words)
    return [name, capitals[0].lower() + capitals[1:], capitals, "_".join(words), "".join(words), "-".join(words)]


# trait names that identify or locate a person, as the SDK specification and shops spell them
PERSONAL_TRAITS: frozenset[str] = frozenset(spelling for name in _NAMES for spelling in list_spellings(name))

# words in the names of custom traits that indicate the same
_PERSONAL_WORDS = frozenset(
    {
        "email", "mail", "phone", "mobile", "tel", "telephone", "fax", "whatsapp", "wechat", "telegram", "skype", "name",
        "firstname", "lastname", "fullname", "nickname", "surname", "username", "birthday", "birthdate", "birth", "dob", "born",
        "address", "street", "house", "zip", "postcode", "postal", "city", "town", "district", "ip", "latitude", "longitude", "lat",
        "lng", "geo", "location", "passport", "ssn", "iban", "card", "tax", "avatar", "photo", "picture", "contact", "openid",
        "unionid", "instagram", "facebook", "twitter", "linkedin",
    }
)  # fmt: skip
_NON_PERSONAL_NOUNS = frozenset({"company", "brand", "product", "store", "shop", "plan", "campaign", "segment"})
_PERSONAL_SUBSTRINGS = (
    "姓名", "名字", "昵称", "邮箱", "邮件", "手机", "电话", "生日", "出生", "地址",
    "住址", "街道", "城市", "邮编", "微信", "身份证", "护照", "头像",
)  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PHONE = re.compile(r"\+?[\d\s()./-]{9,20}")


def is_personal_trait(name: str, value: Any) -> bool:
    """Return whether a trait identifies, contacts or locates a person.

    Its name decides ("partnerName", "home_city", "address.street", 手机号), or its text, if that is an email address or a phone
    number.
    """
    if name in PERSONAL_TRAITS or any(substring in name for substring in _PERSONAL_SUBSTRINGS):
        return True
    words = {word.casefold() for word in _WORD.findall(name)}
    if not words.isdisjoint(_PERSONAL_WORDS - {"name"} if words & _NON_PERSONAL_NOUNS else _PERSONAL_WORDS):
        return True
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and _is_personal_text(text) for text in texts)


def _is_personal_text(text: str) -> bool:
    if any(_is_address(word) for word in text.split()):
        return True
    return _PHONE.fullmatch(text.strip()) is not None and sum(letter.isdigit() for letter in text) >= 9


def _is_address(word: str) -> bool:
    """Return whether a word has an @ between other characters and a dot inside what follows; in linear time."""
    at = word.find("@", 1)
    return at > 0 and word.find(".", at + 2, len(word) - 1) > 0


def seal_personal(traits: dict[str, Any]) -> str:
    """Return the traits as one encrypted text."""
    return encrypt(msgspec.json.encode(traits).decode())


def unseal_personal(sealed: str) -> dict[str, Any]:
    """Decrypt traits. Raises UnreadableFieldError if FIELD_KEYS lacks the key."""
    return msgspec.json.decode(decrypt(sealed), type=dict[str, Any])
