"""Links to the preference center of one customer: encrypted, signed and never expiring, because the link in an old email must still work."""

from hashlib import sha256

import msgspec
from django.conf import settings
from django.urls import reverse

from customers.identity.merging.merge import MergeError
from customers.identity.merging.transfers import find_present_customer
from customers.identity.models import Customer
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt, encrypt

MAX_TOKEN_LENGTH = 1000


class InvalidPreferencesLinkError(Exception):
    """The link is damaged or was made for something else."""


class PreferencesToken(msgspec.Struct, tag="preferences"):
    """The content of a link. origin: where the link was shown, as proof of the consent, such as "self-service"."""

    customer_id: int
    language: str = ""
    origin: str = ""


def make_preferences_link(customer_id: int, *, language: str = "", origin: str = "") -> str:
    """Return the address of the preference center of a customer."""
    token = make_token(PreferencesToken(customer_id, language, origin))
    return f"{settings.PUBLIC_URL}{reverse('policy:preferences', args=[token])}"


def make_token(content: PreferencesToken) -> str:
    return encrypt(msgspec.json.encode(content).decode())


def decode_token(token: str) -> PreferencesToken:
    """Return the content of a token. Raises what `decrypt` and msgspec raise for a damaged one."""
    return msgspec.json.decode(decrypt(token), type=PreferencesToken)


def read_token(token: str) -> PreferencesToken:
    """Return the content of a token.

    Raises:
        InvalidPreferencesLinkError
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidPreferencesLinkError
    try:
        return decode_token(token)
    except (UnreadableFieldError, msgspec.DecodeError, ValueError) as error:
        raise InvalidPreferencesLinkError from error


def find_token_customer(content: PreferencesToken) -> Customer | None:
    """Return the customer of a link, or the one into whom they were merged since; None after an erasure."""
    try:
        customer_id = find_present_customer(content.customer_id)
    except MergeError:
        return None
    return Customer.objects.filter(pk=customer_id, erased_at=None).first()


def shorten_token(token: str) -> str:
    """Return a short hash of a token, which identifies the link in a proof."""
    return sha256(token.encode()).hexdigest()[:12]
