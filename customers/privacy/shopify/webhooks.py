"""The three privacy webhooks that Shopify sends to every app: their signature, their payloads and what each opens.

Source: https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance (payloads; 401 for a wrong signature; 30 days to act) and
https://shopify.dev/docs/apps/build/webhooks/subscribe/https (X-Shopify-Hmac-Sha256: the Base64 of the HMAC-SHA256 of the body).
"""

import base64
import binascii
import hmac
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from django.db import transaction

from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.hashing import hash_email, hash_phone
from customers.privacy.models import IdentityProof, PrivacyRequest, RequestChannel, RequestKind
from customers.privacy.requests.fulfillment import fulfill_request
from customers.privacy.requests.opening import NewRequest, open_request

DATA_REQUEST, CUSTOMER_REDACT, SHOP_REDACT = "customers/data_request", "customers/redact", "shop/redact"
TOPICS = {
    DATA_REQUEST: RequestKind.ACCESS,
    CUSTOMER_REDACT: RequestKind.ERASURE,
    SHOP_REDACT: RequestKind.ERASURE,
}


class ShopifyCustomer(msgspec.Struct):
    """The customer of a webhook; a guest has no ID."""

    id: int | None = None
    email: str | None = None
    phone: str | None = None


class ShopifyDataRequest(msgspec.Struct):
    """The number of a request for data."""

    id: int | None = None


class ShopifyPayload(msgspec.Struct):
    """The fields of all three webhooks; unknown ones are ignored."""

    shop_id: int
    shop_domain: str = ""
    customer: ShopifyCustomer | None = None
    data_request: ShopifyDataRequest | None = None
    orders_requested: list[Any] | None = None
    orders_to_redact: list[Any] | None = None


def is_signed(body: bytes, *, signature: str, secret: str) -> bool:
    """Return whether Shopify has signed a body."""
    try:
        given = base64.b64decode(signature.encode(errors="replace"), validate=True)
    except (binascii.Error, ValueError):
        return False
    return bool(secret) and hmac.compare_digest(hmac.new(secret.encode(), body, sha256).digest(), given)


def receive_payload(*, topic: str, payload: ShopifyPayload, body: bytes, now: datetime) -> PrivacyRequest:
    """Open the request of a webhook, and do what needs no decision; a repeated webhook opens nothing.

    The erasure of a whole shop waits for an officer: it also arrives after an app was uninstalled by mistake.
    """
    customer = find_shopify_customer(payload.customer) if topic != SHOP_REDACT else None
    with transaction.atomic():
        request, is_new = open_request(
            NewRequest(
                kind=TOPICS[topic],
                channel=RequestChannel.SHOPIFY,
                customer=customer,
                proof=IdentityProof.PLATFORM,
                external_id=build_external_id(topic, payload, body),
            ),
            now=now,
        )
        if is_new and topic == SHOP_REDACT:
            request.result = {"scope": "shop"}
            request.save(update_fields=["result"])
        return fulfill_request(request, now=now) if is_new else request


def build_external_id(topic: str, payload: ShopifyPayload, body: bytes) -> str:
    """Return an ID that a repeated webhook shares with the first one: a hash of the body, which Shopify repeats unchanged."""
    return f"shopify:{topic}:{payload.shop_id}:{sha256(body).hexdigest()}"


def find_shopify_customer(sent: ShopifyCustomer | None) -> Customer | None:
    """Return the customer by the ID of Shopify, which is the user ID, else by a proven address or number."""
    if sent is None:
        return None
    kinds = Identifier.Kind
    keys = [
        (kinds.USER_ID, str(sent.id) if sent.id is not None else ""),
        (kinds.EMAIL_HASH, hash_email(sent.email) if sent.email else ""),
        (kinds.PHONE_HASH, hash_phone(sent.phone) if sent.phone else ""),
    ]
    for kind, value in keys:
        found = (
            Identifier.objects.filter(kind=kind, value=value, is_proven=True, customer__erased_at=None)
            if value
            else None
        )
        identifier = found.select_related("customer").first() if found is not None else None
        if identifier is not None:
            return identifier.customer
    return None
