"""Splits addresses that programs send, which may be malformed."""

from urllib.parse import SplitResult, urlsplit


def split_address(text: str) -> SplitResult | None:
    """Return the parts of an address; None for one that cannot be parsed, such as “http://[”."""
    try:
        return urlsplit(text)
    except ValueError:
        return None
