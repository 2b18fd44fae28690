"""A sign-up that waits for its confirmation: the whole of it is in an encrypted token, so nothing is stored about strangers."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt, encrypt

LIFETIME = timedelta(days=7)
MAX_TOKEN_LENGTH = 3000


class InvalidLinkError(Exception):
    """The link is damaged or too old."""


@dataclass(frozen=True)
class SubscriptionRequest:
    """What someone has entered. form: the form in which it was entered. requested_at: the moment from which the link is valid."""

    email: str
    form: str
    policy_version: str
    language: str
    requested_at: datetime


def make_token(request: SubscriptionRequest) -> str:
    """Return a token for a link; nobody can read the address in it or change it."""
    return encrypt(msgspec.json.encode(asdict(request)).decode())


def decode_request(token: str) -> SubscriptionRequest:
    """Return the request of a token of any age. Raises what `decrypt` and msgspec raise for a damaged one."""
    return msgspec.json.decode(decrypt(token), type=SubscriptionRequest)


def read_token(token: str, *, now: datetime) -> SubscriptionRequest:
    """Return the request of a token.

    Raises:
        InvalidLinkError: the token is damaged or has expired.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidLinkError
    try:
        request = decode_request(token)
    except (UnreadableFieldError, msgspec.DecodeError, ValueError) as error:
        raise InvalidLinkError from error
    if not now - LIFETIME <= request.requested_at.astimezone(UTC) <= now + timedelta(minutes=1):
        raise InvalidLinkError
    return request
