"""What uses a segment by its key, so that no foreign key protects the segment: other apps register how to find it."""

from collections.abc import Callable

type FindUsers = Callable[[str], list[str]]

_FINDERS: list[FindUsers] = []


def register_segment_users(find: FindUsers) -> None:
    """Register a function that returns the names of what uses the segment with a key."""
    if find not in _FINDERS:
        _FINDERS.append(find)


def list_segment_users(key: str) -> list[str]:
    """Return the names of what uses the segment with this key."""
    return [name for find in _FINDERS for name in find(key)]
