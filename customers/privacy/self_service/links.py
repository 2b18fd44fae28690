"""Links with which a customer proves who they are: encrypted, signed and valid for a day. Nothing is stored about strangers."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec
from django.conf import settings
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt, encrypt
from customers.identity.personal_data.hashing import hash_email
from customers.privacy.models import IdentityProof, PrivacyExport, PrivacyRequest, UsedLink

LIFETIME = timedelta(days=1)
MAX_TOKEN_LENGTH = 3000
DATA, DOWNLOAD, UNDO, CONFIRM = "data", "download", "undo", "confirm"
CONFIRM_DAYS = 7


class InvalidAccessLinkError(Exception):
    """The link is damaged, has expired or was made for something else."""


@dataclass(frozen=True, kw_only=True)
class AccessLink:
    """The content of a link. email: the address it was sent to; empty if the shop made the link for its logged-in customer.

    purpose: "data" opens the page, "download" gets a file (number), "undo" withdraws an erasure, and "confirm" proves a request.
    secret: a random text of the file or request, because after a restore of the database its number alone proves nothing. Links of
    earlier versions have none.
    """

    purpose: str
    language: str
    issued_at: datetime
    email: str = ""
    customer_id: int = 0
    number: int = 0
    days: int = LIFETIME.days
    secret: str = ""

    def belongs_to(self, secret: str) -> bool:
        """Return whether the link was made for the file or request with this random text."""
        return not self.secret or constant_time_compare(self.secret, secret)

    @property
    def proof(self) -> str:
        return IdentityProof.EMAIL_LINK if self.email else IdentityProof.SHOP_ACCOUNT


def make_token(link: AccessLink) -> str:
    """Return the token of a link; nobody can read it, change it or make one."""
    return encrypt(msgspec.json.encode(asdict(link)).decode())


def decode_link(token: str) -> AccessLink:
    """Return the content of a token of any age. Raises what `decrypt` and msgspec raise for a damaged one."""
    return msgspec.json.decode(decrypt(token), type=AccessLink)


def read_token(token: str, *, purpose: str, now: datetime) -> AccessLink:
    """Return the content of a valid token.

    Raises:
        InvalidAccessLinkError
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidAccessLinkError
    try:
        link = decode_link(token)
    except (UnreadableFieldError, msgspec.DecodeError, ValueError) as error:
        raise InvalidAccessLinkError from error
    issued_at = link.issued_at.astimezone(UTC)
    if link.purpose != purpose or not now - timedelta(days=link.days) <= issued_at <= now + timedelta(minutes=1):
        raise InvalidAccessLinkError
    return link


def find_link_customer(link: AccessLink) -> Customer | None:
    """Return the customer of a link; an address belongs to a customer only if a trusted source has reported it."""
    customers = Customer.objects.filter(erased_at=None)
    if link.customer_id:
        return customers.filter(pk=link.customer_id).first()
    return find_customer_by_email(link.email)


def find_customer_by_email(email: str) -> Customer | None:
    """Return the customer who owns an address; what a browser alone has claimed proves nothing."""
    owner = Identifier.objects.filter(
        kind=Identifier.Kind.EMAIL_HASH, value=hash_email(email), is_proven=True, customer__erased_at=None
    )
    identifier = owner.select_related("customer").first()
    return identifier.customer if identifier is not None else None


def build_data_url(token: str) -> str:
    return f"{settings.PUBLIC_URL}{reverse('privacy:data', args=[token])}"


def build_download_url(export: PrivacyExport, *, language: str, now: datetime) -> str:
    """Return the link to a file; it works until the file expires."""
    days = max(1, (export.expires_at - now).days + 1)
    link = AccessLink(
        purpose=DOWNLOAD, language=language, issued_at=now, number=export.pk, days=days, secret=export.file_name
    )
    return f"{settings.PUBLIC_URL}{reverse('privacy:download', args=[make_token(link)])}"


def build_undo_url(request: PrivacyRequest, *, language: str, now: datetime, days: int) -> str:
    """Return the link that withdraws an erasure until it begins."""
    link = AccessLink(
        purpose=UNDO,
        language=language,
        issued_at=now,
        number=request.pk,
        days=max(1, days + 1),
        secret=str(request.reference),
    )
    return f"{settings.PUBLIC_URL}{reverse('privacy:undo', args=[make_token(link)])}"


def build_confirm_url(request: PrivacyRequest, *, language: str, now: datetime) -> str:
    """Return the link with which the owner of the address confirms a request."""
    link = AccessLink(
        purpose=CONFIRM,
        language=language,
        issued_at=now,
        number=request.pk,
        days=CONFIRM_DAYS,
        secret=str(request.reference),
    )
    return f"{settings.PUBLIC_URL}{reverse('privacy:confirm', args=[make_token(link)])}"


def use_once(token: str, *, now: datetime) -> bool:
    """Mark a token as used for an erasure; return False if it already was."""
    _link, is_new = UsedLink.objects.get_or_create(digest=sha256(token.encode()).hexdigest(), defaults={"used_at": now})
    return is_new


def is_used(token: str) -> bool:
    return UsedLink.objects.filter(digest=sha256(token.encode()).hexdigest()).exists()
