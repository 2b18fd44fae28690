"""Tokens of links in messages: encrypted and signed (AES-SIV, RFC 5297), so that nobody can read, change or invent one."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.conf import settings

DELIVERY = struct.Struct(">q")
MAX_LENGTH = 4000
CLICK, OPEN, UNSUBSCRIBE, PREFERENCES, VIEW, IMAGE, MESSAGE, PRODUCT = b"c", b"o", b"u", b"p", b"v", b"i", b"m", b"r"


class InvalidTokenError(ValueError):
    """The token was not made by this shop, or was made for another purpose."""


@lru_cache(maxsize=4)
def get_token_cipher(secret: str) -> AESSIV:
    return AESSIV(sha256(b"perennial.sending.tokens:" + secret.encode()).digest())


def make_token(purpose: bytes, delivery_id: int, content: str = "") -> str:
    """Return the token of a delivery for one purpose; it contains a text, such as the URL of a link."""
    data = get_token_cipher(settings.SECRET_KEY).encrypt(DELIVERY.pack(delivery_id) + content.encode(), [purpose])
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def read_token(purpose: bytes, token: str) -> tuple[int, str]:
    """Return the delivery and the text of a token.

    Raises:
        InvalidTokenError
    """
    try:
        if len(token) > MAX_LENGTH:
            raise ValueError("too long")
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        plain = get_token_cipher(settings.SECRET_KEY).decrypt(data, [purpose])
        return DELIVERY.unpack(plain[: DELIVERY.size])[0], plain[DELIVERY.size :].decode()
    except (ValueError, InvalidTag, struct.error) as error:
        raise InvalidTokenError("The link is not valid.") from error
