"""Signed webhooks in batches, after the Standard Webhooks specification 1.0 (github.com/standard-webhooks/standard-webhooks)."""

import hmac
import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.destinations.kinds.base import (
    DestinationError,
    DestinationKind,
    DestinationReply,
    SettingField,
    SharedBatch,
    SharedRecord,
)
from customers.destinations.kinds.hashing import compute_sha256, normalize_email, normalize_phone
from customers.destinations.kinds.http_client import DestinationResponse, post, raise_for_status
from customers.destinations.models import DataStream

SECRET_PREFIX = "whsec_"  # noqa: S105 — the beginning of every secret


def make_webhook_secret() -> str:
    """Return a new secret: the prefix, and 24 random bytes in base64."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(24)).decode()


def sign_content(secret: str, identifier: str, timestamp: str, body: bytes) -> str:
    """Return the signature: "v1," and the base64 of HMAC-SHA256 over id.timestamp.body, with the decoded secret as the key."""
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.new(key, f"{identifier}.{timestamp}.".encode() + body, sha256).digest()
    return f"v1,{b64encode(digest).decode()}"


class SignedWebhook(DestinationKind):
    """A URL of the shop or of a partner that gets JSON; items have IDs, so repetitions are recognized."""

    key = "webhook"
    label = gettext_lazy("Webhook")
    description = gettext_lazy("Sends orders, events and changes as signed JSON to a URL of yours or of a partner.")
    steps = (
        gettext_lazy("Enter the URL that receives the data. It must begin with https."),
        gettext_lazy(
            "In the receiving system, verify the signature with the secret and a library from standardwebhooks.com."
        ),
        gettext_lazy("Answer within 6 seconds with a status from 200 to 299, and ignore items whose ID you have seen."),
    )
    fields = (
        SettingField("url", gettext_lazy("URL")),
        SettingField(
            "secret",
            gettext_lazy("Secret"),
            gettext_lazy("Leave empty to generate a new one. Otherwise, enter whsec_ followed by base64."),
            is_required=False,
            is_secret=True,
        ),
        SettingField(
            "with_hashes",
            gettext_lazy("Add hashed contact data"),
            gettext_lazy("SHA-256 of the email address and phone number. The user ID is always sent."),
            is_required=False,
            is_flag=True,
        ),
    )
    streams = tuple(DataStream.values)
    task = gettext_lazy("Receives data by webhook")
    data = gettext_lazy(
        "user ID, orders, events, stage changes, segments and consents, as chosen; hashed contact data if chosen"
    )
    max_records = 100

    @classmethod
    def clean(cls, values: Mapping[str, Any]) -> None:
        if urlsplit(str(values.get("url", ""))).scheme not in ("https", "http"):
            raise DestinationError(_("The URL must begin with https://."))
        secret = str(values.get("secret") or "")
        if secret:
            try:
                is_long = len(b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)) >= 24
            except ValueError:
                is_long = False
            if not (secret.startswith(SECRET_PREFIX) and is_long):
                raise DestinationError(_("A secret must be whsec_ followed by at least 24 bytes in base64."))

    @property
    def address(self) -> str:
        parts = urlsplit(str(self.options["url"]))
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def close(self) -> None:
        """Do nothing: connections are closed after each request."""

    def send_test(self) -> str:
        item = {"id": "test", "type": "test", "occurred_at": timezone.now().isoformat(), "data": {"message": "Test"}}
        answer = self._post(f"test-{secrets.token_hex(8)}", {"type": "test", "items": [item]})
        raise_for_status(answer)
        return f"HTTP {answer.status}"

    def send(self, batch: SharedBatch) -> DestinationReply:
        items = [self.format_item(record) for record in batch.records]
        raise_for_status(self._post(batch.key, {"type": f"{batch.stream}.batch", "items": items}))
        return DestinationReply(reference=batch.key)

    def format_item(self, record: SharedRecord) -> dict[str, Any]:
        person = record.person
        customer: dict[str, Any] = {"id": person.customer_id, "user_id": person.user_id}
        if self.options.get("with_hashes"):
            phone = normalize_phone(person.phone, person.country)
            customer["email_sha256"] = compute_sha256(normalize_email(person.email))
            customer["phone_sha256"] = compute_sha256(phone)
        return {
            "id": record.id,
            "type": record.content.get("type", record.stream),
            "occurred_at": record.occurred_at.isoformat(),
            "customer": customer,
            "data": {key: value for key, value in record.content.items() if key != "type"},
        }

    def remove_person(self, content: Mapping[str, Any], key: str) -> bool:
        """Send an item for each ID under which the receiver may know the person: customers that were merged had several."""
        user_ids = {content["customer_id"]: content.get("user_id", "")}
        items = [
            {
                "id": f"{key}_{customer_id}",
                "type": "customer.erased",
                "occurred_at": timezone.now().isoformat(),
                "customer": {"id": customer_id, "user_id": user_ids.get(customer_id, "")},
                "data": {},
            }
            for customer_id in content["customer_ids"]
        ]
        raise_for_status(self._post(key, {"type": "customers.erased", "items": items}))
        return True

    def _post(self, identifier: str, content: Mapping[str, Any]) -> DestinationResponse:
        body = json.dumps(content, ensure_ascii=False).encode()
        timestamp = str(int(timezone.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identifier,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign_content(str(self.credentials["secret"]), identifier, timestamp, body),
        }
        return post(str(self.options["url"]), body, headers)
