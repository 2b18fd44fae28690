"""Web push: messages encrypted for the browser (RFC 8291, aes128gcm), and signed by the shop (VAPID, RFC 8292)."""

import json
import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from recommendations.sending.channels.accounts import Account
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.channels.providers import ProviderRequest
from recommendations.sending.transport.journal import SendResult

RECORD_SIZE = 4096
LIFETIME = 86_400  # how long the push service keeps a message for a browser that is off
MAX_PAYLOAD = 3_900
MAX_TITLE, MAX_BODY = 300, 1_000  # characters
MAX_BYTES = 6  # of a character in JSON, such as \u001f
GONE = (404, 410)  # RFC 8030, section 7.3: the push service no longer knows the subscription


class WebPushProvider:
    """Posts to the push service of the customer's browser. A Topic makes a repeated message replace the first one."""

    key = "vapid"
    options = ("subject",)
    secrets = ("private_key",)
    is_idempotent = True
    batch_size = 1
    retries_alone = False

    def build_request(self, message: OutgoingMessage, account: Account) -> ProviderRequest:
        endpoint, public_key, auth_secret = json.loads(message.recipient)
        payload = build_payload(message)
        body = encrypt_push(payload, public_key=decode_base64(public_key), auth_secret=decode_base64(auth_secret))
        return ProviderRequest(
            endpoint,
            {
                "Authorization": build_vapid(endpoint, account),
                "Content-Encoding": "aes128gcm",
                "Content-Type": "application/octet-stream",
                "TTL": str(LIFETIME),
                "Topic": f"d{message.delivery_id}",
            },
            body,
        )

    def read_answer(self, result: SendResult) -> SendResult:
        """Return the result; a subscription that no longer exists is forgotten, and the customer's next browser is tried."""
        if result.code in GONE:
            return replace(result, outcome="temporary", is_gone=True, text="The browser is no longer subscribed.")
        return result


def build_payload(message: OutgoingMessage) -> bytes:
    """Return the JSON of a message; a long text is shortened until it fits, because a browser cannot read JSON that is cut off."""
    body = message.text.strip()[:MAX_BODY]
    while True:
        content = {"title": message.subject[:MAX_TITLE], "body": body, "url": message.links.get("open", "")}
        payload = json.dumps(content, ensure_ascii=False).encode()
        excess = len(payload) - MAX_PAYLOAD
        if excess <= 0 or not body:
            return payload
        body = body[: -max(1, excess // MAX_BYTES)]


def decode_base64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode_base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def encrypt_push(
    payload: bytes,
    *,
    public_key: bytes,
    auth_secret: bytes,
    private_key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """Return the encrypted content (RFC 8291, section 3.4); private_key and salt are random unless a test gives them."""
    private_key = private_key or ec.generate_private_key(ec.SECP256R1())
    salt = salt or os.urandom(16)
    browser = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    own = encode_point(private_key.public_key())
    secret = private_key.exchange(ec.ECDH(), browser)
    combined = derive(auth_secret, secret, b"WebPush: info\x00" + public_key + own, 32)
    key = derive(salt, combined, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = derive(salt, combined, b"Content-Encoding: nonce\x00", 12)
    encrypted = AESGCM(key).encrypt(nonce, payload + b"\x02", None)
    return salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(own)]) + own + encrypted


def derive(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)


def load_private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """Return the key of an account: 32 bytes in URL-safe base64."""
    return ec.derive_private_key(int.from_bytes(decode_base64(text), "big"), ec.SECP256R1())


def build_vapid(endpoint: str, account: Account) -> str:
    """Return the Authorization header, which names the shop to the push service."""
    parts = urlsplit(endpoint)
    key = load_private_key(account.secrets["private_key"])
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int(time.time()) + 12 * 3600,
        "sub": account.options.get("subject", ""),
    }
    token = jwt.encode(claims, key, algorithm="ES256")
    return f"vapid t={token}, k={encode_base64(encode_point(key.public_key()))}"
