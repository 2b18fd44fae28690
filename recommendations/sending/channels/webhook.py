"""Webhooks: the message as JSON to the shop's own server, signed as https://www.standardwebhooks.com describes."""

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode

from recommendations.sending.channels.accounts import Account
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.channels.providers import ProviderRequest
from recommendations.sending.transport.journal import SendResult

SECRET_PREFIX = "whsec_"  # noqa: S105 — the beginning of a secret, which is not a part of its key


class WebhookProvider:
    """Posts the message. The receiver recognizes a repeated request by its webhook-id, which is also the Idempotency-Key."""

    key = "webhook"
    options = ("url",)
    secrets = ("secret",)
    is_idempotent = True
    batch_size = 1
    retries_alone = False

    def build_request(self, message: OutgoingMessage, account: Account) -> ProviderRequest:
        identifier = f"msg_{message.delivery_id}"
        body = json.dumps(
            {
                "type": "message.sent",
                "id": identifier,
                "origin": {"kind": message.origin_kind, "id": message.origin_id},
                "customer": {"id": message.customer_id, "user_id": message.fields.get("user_id", "")},
                "language": message.language,
                "data": read_json(message.text),
            },
            ensure_ascii=False,
        ).encode()
        now = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Perennial",
            "Idempotency-Key": identifier,
            "webhook-id": identifier,
            "webhook-timestamp": now,
            "webhook-signature": sign_webhook(account.secrets.get("secret", ""), identifier, now, body),
        }
        return ProviderRequest(account.options["url"], headers, body)

    def read_answer(self, result: SendResult) -> SendResult:
        return result


def sign_webhook(secret: str, identifier: str, timestamp: str, body: bytes) -> str:
    """Return the signatures "v1,<base64 of HMAC-SHA256 over id.timestamp.body>", separated by a space.

    Standard Webhooks uses the decoded secret as the key, and lets receivers look for a signature that matches among several.
    The one with the text of the secret as the key is for receivers that were written when it was the only one.
    """
    content = f"{identifier}.{timestamp}.".encode() + body
    keys = [secret.encode()]
    if decoded := decode_secret(secret):
        keys.append(decoded)
    digests = (hmac.new(key, content, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{b64encode(digest).decode()}" for digest in digests)


def decode_secret(secret: str) -> bytes:
    """Return the bytes of a secret; empty if it is not base64. Secrets used to be made with - and _ instead of + and /."""
    text = secret.removeprefix(SECRET_PREFIX).replace("-", "+").replace("_", "/")
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def read_json(text: str) -> object:
    """Return the JSON of a rendered template; a text that is not JSON is returned as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
