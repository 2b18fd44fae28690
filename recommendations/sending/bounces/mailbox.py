"""Reads bounces (RFC 3464), complaints (ARF, RFC 5965) and requests to unsubscribe from the mailbox of the sender."""

import re
from collections.abc import Iterable
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime

from django.utils import timezone

from recommendations.sending.bounces.feedback import Feedback, Kind, find_delivery, record_feedback
from recommendations.sending.tracking.tokens import MESSAGE, UNSUBSCRIBE, InvalidTokenError, make_token, read_token

MESSAGE_ID = re.compile(r"^Message-ID:\s*<?([A-Za-z0-9_-]{20,})@", re.IGNORECASE | re.MULTILINE)
UNSUBSCRIBE_SUBJECT = re.compile(r"unsubscribe\s+([A-Za-z0-9_-]{20,})", re.IGNORECASE)
HARD_CODES = re.compile(r"\b5\.(1\.(0|1|2|3|6|10)|2\.1|4\.4|7\.13)\b")


def read_messages(messages: Iterable[Message]) -> dict[str, int]:
    """Record every report; return how many of each kind, and how many messages were not reports about our messages."""
    counts: dict[str, int] = {}
    for message in messages:
        feedback = parse_report(message)
        kind = feedback.kind if feedback is not None and record_feedback(feedback, source="mailbox") else "other"
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def parse_report(message: Message) -> Feedback | None:
    """Return what a message reports; None if it is no report, or does not name the Message-ID of the email it is about."""
    at = read_date(message)
    subject = str(message.get("Subject", ""))
    if match := UNSUBSCRIBE_SUBJECT.search(subject.replace("\r\n", "").replace("\n", "")):
        return parse_unsubscribe(match[1], at)
    content_type = message.get_content_type()
    report_type = str(message.get_param("report-type", "")).lower() if content_type == "multipart/report" else ""
    token = find_message_token(message)
    if not token:
        return None
    if report_type == "feedback-report":
        return Feedback(Kind.COMPLAINT, token, "", at, "feedback report", "arf")
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status":
            return parse_delivery_status(part, token, at)
    return None


def parse_delivery_status(part: Message, token: str, at: datetime) -> Feedback | None:
    """Return the bounce that a delivery status describes; None for a delay, a relay or a success."""
    blocks = [block for block in part.get_payload() if isinstance(block, Message)]
    for block in blocks:
        action = str(block.get("Action", "")).strip().lower()
        status = str(block.get("Status", "")).strip()
        detail = " ".join(str(block.get("Diagnostic-Code", "")).split())[:200]
        if action != "failed":
            continue
        is_hard = status.startswith("5") and (HARD_CODES.search(f"{status} {detail}") is not None or "5.0.0" in status)
        kind = Kind.HARD_BOUNCE if is_hard else Kind.SOFT_BOUNCE
        recipient = str(block.get("Final-Recipient", "")).partition(";")[2].strip()
        return Feedback(kind, token, recipient, at, f"{status} {detail}".strip(), f"dsn:{status}")
    return None


def parse_unsubscribe(token: str, at: datetime) -> Feedback | None:
    """Return the request of a mailto link of List-Unsubscribe."""
    try:
        delivery_id, _content = read_token(UNSUBSCRIBE, token)
    except InvalidTokenError:
        return None
    return Feedback(Kind.UNSUBSCRIBE, make_token(MESSAGE, delivery_id), "", at)


def find_message_token(message: Message) -> str:
    """Return the token of the Message-ID of the email that the report is about, which is in one of the parts."""
    for part in message.walk():
        if part is message:
            continue
        candidates = [str(part.get("Message-ID", ""))]
        if part.get_content_type() in ("text/rfc822-headers", "text/plain"):
            payload = part.get_payload(decode=True)
            text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
            candidates += [f"<{found}@" for found in MESSAGE_ID.findall(text)]
        for candidate in candidates:
            token = candidate.strip().lstrip("<").partition("@")[0]
            if token and find_delivery(token) is not None:
                return token
    return ""


def read_date(message: Message) -> datetime:
    """Return the date of a message; now if it has none, or one in the future."""
    now = timezone.now()
    try:
        at = parsedate_to_datetime(str(message["Date"]))
    except (TypeError, ValueError):
        return now
    return min(at if at.tzinfo else timezone.make_aware(at), now)
