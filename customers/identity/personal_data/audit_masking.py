"""Masks personal values in the audit log, which nobody can change afterwards, not even to erase a customer."""

from customers.identity.personal_data.masking import MASK, mask_json_text


def mask_value(value: str) -> str:
    """Return dots for a value that is not empty: the log records that it changed, but not what it was."""
    return MASK if value and value != "{}" else ""


def mask_json_value(value: str) -> str:
    """Return JSON with the personal values in it masked."""
    return mask_json_text(value)
