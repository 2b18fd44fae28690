"""Masks personal values in the audit log, which records that they changed but not what they were."""


def mask_value(value: str) -> str:
    """Return dots for a value that is not empty."""
    return "•••" if value else ""
