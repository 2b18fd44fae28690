"""The browsers in which customers receive push notifications."""

import json
from binascii import Error as Base64Error
from collections.abc import Iterable
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction
from django.utils.translation import gettext as _

from config.foundation.files.safe_download import DownloadError, check_url
from customers.identity.personal_data.hashing import hash_normal
from recommendations.sending.channels.accounts import find_account
from recommendations.sending.channels.web_push import decode_base64, encode_base64, encode_point, load_private_key
from recommendations.sending.models import PushSubscription

MAX_BROWSERS = 10  # of a customer; the oldest are forgotten
AUTH_BYTES = 16


class InvalidSubscriptionError(ValueError):
    """A subscription that cannot come from a browser. field: which part of it is wrong."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def save_subscription(*, customer_id: int, endpoint: str, public_key: str, auth_secret: str, now: datetime) -> None:
    """Store the subscription of a browser; it belongs to the customer who used the browser last. Errors: InvalidSubscriptionError."""
    check_subscription(endpoint=endpoint, public_key=public_key, auth_secret=auth_secret)
    with transaction.atomic():
        PushSubscription.objects.update_or_create(
            endpoint_hash=hash_endpoint(endpoint),
            defaults={
                "customer_id": customer_id,
                "endpoint": endpoint,
                "public_key": public_key,
                "auth_secret": auth_secret,
                "created_at": now,
            },
        )
        own = PushSubscription.objects.filter(customer_id=customer_id)
        latest = own.order_by("-created_at", "-pk").values("pk")[:MAX_BROWSERS]
        own.exclude(pk__in=list(latest.values_list("pk", flat=True))).delete()


def remove_subscription(endpoint: str) -> bool:
    """Forget a browser; return whether it was known. Only the browser itself knows its endpoint."""
    deleted, _by_model = PushSubscription.objects.filter(endpoint_hash=hash_endpoint(endpoint)).delete()
    return bool(deleted)


def forget_gone_browsers(recipients: Iterable[str]) -> int:
    """Forget browsers whose addresses no longer exist at the push services; return how many were known."""
    hashes = [hash_endpoint(json.loads(recipient)[0]) for recipient in recipients]
    deleted, _by_model = PushSubscription.objects.filter(endpoint_hash__in=hashes).delete()
    return deleted


def check_subscription(*, endpoint: str, public_key: str, auth_secret: str) -> None:
    """Check what a browser sends, which may be made up. Raises InvalidSubscriptionError."""
    try:
        check_url(endpoint)
    except DownloadError as error:
        raise InvalidSubscriptionError("endpoint", str(error)) from error
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode_base64(public_key))
    except (ValueError, Base64Error) as error:
        text = _("This is not a public key of a browser. Expected: 65 bytes in URL-safe base64.")
        raise InvalidSubscriptionError("keys.p256dh", text) from error
    try:
        is_secret = len(decode_base64(auth_secret)) == AUTH_BYTES
    except (ValueError, Base64Error):
        is_secret = False
    if not is_secret:
        raise InvalidSubscriptionError(
            "keys.auth", _("This is not a secret of a browser. Expected: 16 bytes in URL-safe base64.")
        )


def hash_endpoint(endpoint: str) -> str:
    return hash_normal(endpoint)


def find_public_key() -> str | None:
    """Return the key that browsers need to subscribe; None without an account for push messages."""
    account = find_account("push")
    if account is None or not account.secrets.get("private_key"):
        return None
    return encode_base64(encode_point(load_private_key(account.secrets["private_key"]).public_key()))
