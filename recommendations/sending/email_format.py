"""Builds emails as bytes: text and HTML part, and the headers that mailbox providers require of bulk senders.

RFC 5322, RFC 2369 and 8058 (unsubscribing), RFC 2919 (List-ID), https://support.google.com/mail/answer/81126. Python's email package
takes several times as long for each email, which matters for a million of them.
"""

import binascii
import re
from dataclasses import dataclass
from email.header import Header
from email.utils import format_datetime, formataddr
from functools import lru_cache
from urllib.parse import quote

from django.utils import timezone

from config.foundation.shop.profile import ShopProfile
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.tracking import tokens

ADDRESS = re.compile(
    r"[^\s@<>()\[\]\\,;:\"\x00-\x20\x7f]+@(?:[^\s@<>()\[\]\\,;:\".\x00-\x20\x7f]+\.)+[^\s@<>()\[\]\\,;:\".\x00-\x20\x7f]+"
)
MAX_ADDRESS = 254
DENSE = 6  # one byte in six outside ASCII makes base64 shorter than quoted-printable


@dataclass(frozen=True)
class FormattedEmail:
    """An email as it is handed to a mail server. headers: those that the outbox shows."""

    sender: str
    recipient: str
    headers: dict[str, str]
    data: bytes


def normalize_address(address: str) -> str:
    """Return an address with its domain in ASCII, for SMTP; empty if nothing can be sent to it."""
    text = address.strip()
    if len(text) > MAX_ADDRESS or not ADDRESS.fullmatch(text):
        return ""
    local, _at, domain = text.rpartition("@")
    try:
        ascii_domain = domain.encode("ascii" if domain.isascii() else "idna").decode().lower()
    except UnicodeError:
        return ""
    return f"{local}@{ascii_domain}" if local.isascii() else ""


def build_email(message: OutgoingMessage, *, shop: ShopProfile) -> FormattedEmail:
    """Return the email with its envelope."""
    headers = build_headers(message, shop=shop)
    boundary = f"=_perennial_{message.delivery_id:x}"
    lines = [f"{name}: {value}" for name, value in headers.items()]
    parts = [("plain", message.text)] if not message.html else [("plain", message.text), ("html", message.html)]
    if len(parts) == 1:
        encoding, body = encode_part(message.text)
        lines += ["Content-Type: text/plain; charset=utf-8", f"Content-Transfer-Encoding: {encoding}", "", ""]
        data = "\r\n".join(lines).encode("ascii") + body
    else:
        lines += [f'Content-Type: multipart/alternative; boundary="{boundary}"', "", ""]
        data = "\r\n".join(lines).encode("ascii")
        for subtype, content in parts:
            encoding, body = encode_part(content)
            data += (
                f"--{boundary}\r\nContent-Type: text/{subtype}; charset=utf-8\r\n"
                f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
            ).encode() + body
        data += f"--{boundary}--\r\n".encode()
    return FormattedEmail(shop.sender_address, normalize_address(message.recipient), headers, data)


def build_headers(message: OutgoingMessage, *, shop: ShopProfile) -> dict[str, str]:
    """Return the headers; marketing messages have those for unsubscribing and of bulk mail."""
    domain = get_domain(shop.sender_address)
    headers = {
        "From": format_sender(shop.sender_name, shop.sender_address),
        "To": normalize_address(message.recipient),
        "Subject": encode_header(message.subject),
        "Date": format_datetime(timezone.now()),
        "Message-ID": build_message_id(message.delivery_id, shop.sender_address),
        "MIME-Version": "1.0",
    }
    if shop.reply_to:
        headers["Reply-To"] = shop.reply_to
    if message.language:
        headers["Content-Language"] = message.language
    if message.is_transactional:
        headers["Auto-Submitted"] = "auto-generated"
        return headers
    unsubscribe = message.links.get("unsubscribe", "")
    if unsubscribe:
        mailbox = shop.reply_to or shop.sender_address
        subject = quote(f"unsubscribe {unsubscribe.rpartition('/')[2]}")
        headers["List-Unsubscribe"] = f"<{unsubscribe}>,\r\n <mailto:{mailbox}?subject={subject}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    headers["List-ID"] = f"<{message.origin_kind}.{domain}>"
    headers["Feedback-ID"] = f"{build_feedback_campaign(message)}:{message.channel}:marketing:{domain[:60]}"
    headers["Precedence"] = "bulk"
    return headers


def build_message_id(delivery_id: int, sender_address: str) -> str:
    """Return the Message-ID, the same for every attempt; only we can tell the delivery from it, for example when the email bounces."""
    return f"<{tokens.make_token(tokens.MESSAGE, delivery_id)}@{get_domain(sender_address)}>"


def build_feedback_campaign(message: OutgoingMessage) -> str:
    # an origin of a flow is a step of a single customer, and mailbox providers must not be able to tell customers apart
    return f"campaign{message.origin_id}" if message.origin_kind == "campaign" else message.origin_kind


def get_domain(address: str) -> str:
    return address.rpartition("@")[2] or "localhost"


@lru_cache(maxsize=64)
def format_sender(name: str, address: str) -> str:
    return formataddr((" ".join(name.split()), address))


def encode_header(text: str) -> str:
    """Return a header value on one line, encoded (RFC 2047) if it is not ASCII or is long."""
    line = " ".join(text.split())
    if line.isascii() and len(line) <= 900 and "=?" not in line:
        return line
    return Header(line, "utf-8", maxlinelen=75).encode(linesep="\r\n")


def encode_part(text: str) -> tuple[str, bytes]:
    """Return the transfer encoding and the encoded text, which ends with a line break."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    data = (lines if lines.endswith("\n") else f"{lines}\n").encode("utf-8", "replace")
    if len(data) - len(lines) > len(data) // DENSE:
        encoded = binascii.b2a_base64(data.replace(b"\n", b"\r\n"), newline=False)
        return "base64", b"".join(encoded[start : start + 76] + b"\r\n" for start in range(0, len(encoded), 76))
    return "quoted-printable", binascii.b2a_qp(data, istext=True).replace(b"\n", b"\r\n")
