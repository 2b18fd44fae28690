"""The message IDs of corrected events: with the original ID, which has a receipt, a corrected event would count as a duplicate."""

from hashlib import sha256

MAX_MESSAGE_ID = 99


def build_new_message_id(message_id: str) -> str:
    """Return a message ID for the corrected event: different events get different ones, also if theirs are too long to be extended."""
    new_id = f"again-{message_id}"
    return new_id if len(new_id) <= MAX_MESSAGE_ID else f"again-{sha256(message_id.encode()).hexdigest()}"
