"""Stores in Valkey keys: an erasure removes the entries about a person, or the whole key if it holds a single value."""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.utils.functional import Promise

from config.foundation.database.valkey_address import open_valkey
from config.foundation.personal_data.locations import keys
from config.foundation.personal_data.person import Finding, Person
from config.foundation.personal_data.stores import ErasurePhase, PersonalDataStore
from config.foundation.personal_data.text_matcher import GroupMatcher, TextMatcher, build_matcher

SCANNED_KEYS = 1000
BODY = re.compile(rb'"body": ?"([A-Za-z0-9+/=]*)"')

type ListNames = Callable[[Sequence[Person]], Sequence[str]]


def open_client() -> Any:
    """Return a client for maintenance, because the client for requests gives up after half a second."""
    return open_valkey(settings.VALKEY_URL, socket_timeout=30, socket_connect_timeout=5)


class ValkeyKeys(PersonalDataStore):
    """Valkey keys that match patterns. With `list_names`, a person's keys are known by name, so that no keys have to be searched.

    Args:
        list_names: returns the full names of the keys that belong to people.
    """

    def __init__(
        self,
        key: str,
        label: str | Promise,
        *patterns: str,
        list_names: ListNames | None = None,
        kept: str | Promise = "",
        phase: ErasurePhase = ErasurePhase.DERIVED,
        is_repeated: bool = False,
    ) -> None:
        self.key, self.label, self.kept, self.phase, self.list_names = key, label, kept, phase, list_names
        self.is_repeated = is_repeated
        self.locations = tuple(keys(*patterns))

    def erase(self, people: Sequence[Person]) -> int:
        client = open_client()
        erased = 0
        if self.list_names is not None:
            names = sorted(self.list_names(people))
            for start in range(0, len(names), SCANNED_KEYS):
                erased += int(client.delete(*names[start : start + SCANNED_KEYS]))
            return erased
        matcher = build_matcher(people)
        for name in self.list_own_keys(client):
            erased += remove_from_key(client, name, matcher)
        return erased

    def list_own_keys(self, client: Any) -> Iterator[bytes]:
        """Yield the keys that match the patterns."""
        for location in self.locations:
            yield from client.scan_iter(match=location.name, count=SCANNED_KEYS)

    def find(self, people: Sequence[Person]) -> list[Finding]:
        client = open_client()
        if self.list_names is not None:
            found = sum(int(client.exists(name)) for name in self.list_names(people))
        else:
            matcher = build_matcher(people)
            found = sum(is_in_key(client, name, matcher) for name in self.list_own_keys(client))
        return [self.make_finding(self.locations[0], found, "key")] if found else []


def list_parts(value: bytes) -> Iterator[bytes]:
    """Yield a value, and the decoded body if it is a Celery message."""
    yield value
    for body in BODY.findall(value):
        with suppress(ValueError):
            yield base64.b64decode(body)


def is_in_value(value: bytes, matcher: TextMatcher) -> bool:
    """Return whether a value contains a search term, also inside the encoded body of a Celery message."""
    return any(matcher.contains(part) for part in list_parts(value))


def read_entries(client: Any, name: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (place, content) of the entries of a key: one for a string, one per element of a list, set, hash or stream."""
    kind = client.type(name)
    if kind == b"string":
        yield b"", client.get(name) or b""
    elif kind == b"list":
        yield from ((value, value) for value in client.lrange(name, 0, -1))
    elif kind == b"set":
        yield from ((value, value) for value in client.sscan_iter(name, count=SCANNED_KEYS))
    elif kind == b"zset":
        yield from ((value, value) for value, _score in client.zscan_iter(name, count=SCANNED_KEYS))
    elif kind == b"hash":
        yield from ((field, field + b" " + value) for field, value in client.hscan_iter(name, count=SCANNED_KEYS))
    elif kind == b"stream":
        for number, fields in client.xrange(name):
            yield number, b" ".join(part for pair in fields.items() for part in pair)


def is_in_key(client: Any, name: bytes, matcher: TextMatcher) -> bool:
    """Return whether a key or one of its entries contains a search term."""
    return matcher.contains(name) or any(is_in_value(value, matcher) for _place, value in read_entries(client, name))


def find_groups_in_key(client: Any, name: bytes, matcher: GroupMatcher) -> set[int]:
    """Return the groups of people that have a search term in a key or one of its entries."""
    found = matcher.find_groups(name)
    for _place, value in read_entries(client, name):
        for part in list_parts(value):
            found |= matcher.find_groups(part)
    return found


def remove_from_key(client: Any, name: bytes, matcher: TextMatcher) -> int:
    """Remove the entries with a search term, or the key if its name has one; return how many were removed."""
    if matcher.contains(name):
        return int(client.delete(name))
    removers: dict[bytes, Callable[[bytes], object]] = {
        b"string": lambda _place: client.delete(name),
        b"list": lambda value: client.lrem(name, 0, value),
        b"set": lambda value: client.srem(name, value),
        b"zset": lambda value: client.zrem(name, value),
        b"hash": lambda field: client.hdel(name, field),
        b"stream": lambda number: client.xdel(name, number),
    }
    places = [place for place, value in read_entries(client, name) if is_in_value(value, matcher)]
    for place in places:
        removers[client.type(name)](place)
    return len(places)


def list_all_keys(client: Any) -> Iterator[bytes]:
    """Yield every key of the database."""
    return iter(client.scan_iter(count=SCANNED_KEYS))
