"""Who is in the segments that rules name, in one file that all workers map: asked in microseconds, without the database.

The file: 8 bytes of magic, the length of the header, the header as JSON, then, each from a multiple of 8 on, the sorted hashes of
``kind:value`` (uint64) and for each the number of its set of segments (uint32), last the SHA-256 of all before. Identifiers stand in it as keyed
hashes: nobody reads a customer's id out of it.
"""

import hashlib
import json
import logging
import mmap
import os
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import batched
from pathlib import Path

import numpy as np
import numpy.typing as npt
from django.conf import settings

logger = logging.getLogger(__name__)

MAGIC = b"PSEGMEM1"
DIGEST_BYTES = 32
SEGMENTS_PER_PASS = 31
NO_SEGMENTS: frozenset[int] = frozenset()
type Hashes = npt.NDArray[np.uint64]


class DamagedMembersError(Exception):
    """A file of members that is not what was written."""


def get_members_path() -> Path:
    return Path(settings.MERCHANDISING_DIR) / "segment-members"


@lru_cache(maxsize=4)
def make_hash_prefix(key: bytes) -> str:
    """Of this purpose alone, so that the shop's key is part of no query."""
    return hashlib.sha256(b"segment members:" + key).hexdigest()


def hash_identifier(identifier: str) -> int:
    """64 bits of ``kind:value``; of a million members two share one with a chance of 1 to 30 million."""
    text = make_hash_prefix(settings.HASH_KEY) + identifier
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])


@dataclass(frozen=True, eq=False)
class MembersTable:
    """What a file says, as it was when it was mapped: another file in its place changes nothing here."""

    hashes: memoryview
    numbers: memoryview
    sets: tuple[frozenset[int], ...]

    def segments_of(self, identifiers: Iterable[str]) -> frozenset[int]:
        found, count = NO_SEGMENTS, len(self.hashes)
        for identifier in identifiers:
            wanted = hash_identifier(identifier)
            place = bisect_left(self.hashes, wanted)
            if place < count and self.hashes[place] == wanted:
                found |= self.sets[self.numbers[place]]
        return found


class SegmentMembers:
    """The members as a worker knows them. `refresh` is called now and then, `segments_of` by every request."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.members: MembersTable | None = None
        self.fingerprint: tuple[int, int, int] | None = None
        self.one_at_a_time = threading.Lock()

    def segments_of(self, identifiers: Iterable[str]) -> frozenset[int]:
        """The segments that anybody of these ``kind:value`` is in, among those that rules name. A segment that is not known has no members."""
        members = self.members
        return members.segments_of(identifiers) if members is not None else NO_SEGMENTS

    def refresh(self) -> bool:
        """Takes the file if it is another than the last time; whether it was. One that is damaged has no members, and the log says so."""
        with self.one_at_a_time:  # else one could put back an older file than another has just read
            return self._refresh()

    def _refresh(self) -> bool:
        path = self.path or get_members_path()
        try:
            found = os.stat(path)
        except FileNotFoundError:
            changed, self.fingerprint, self.members = self.fingerprint is not None, None, None
            return changed
        seen = (found.st_ino, found.st_size, found.st_mtime_ns)
        if seen == self.fingerprint:
            return False
        try:
            self.members = open_members(path)
        except (DamagedMembersError, OSError) as error:
            logger.error("%s: rules for segments hold for nobody until it is written anew: %s", path, error)
            self.members = None
        self.fingerprint = seen
        return True


def open_members(path: Path) -> MembersTable:
    """
    Raises:
        DamagedMembersError: the file is cut, changed or something else.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < len(MAGIC) + 8 + DIGEST_BYTES:
            raise DamagedMembersError("the file is too short")
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if body[: len(MAGIC)] != MAGIC or hashlib.sha256(body).digest() != digest:
        raise DamagedMembersError("the checksum differs from what was written")
    start = len(MAGIC) + 8
    length = int.from_bytes(body[len(MAGIC) : start], "little")
    header = json.loads(bytes(body[start : start + length]))
    first = start + round_up_to_eight(length)
    second = first + header["count"] * 8
    return MembersTable(
        body[first:second].cast("Q"),
        body[second : second + header["count"] * 4].cast("I"),
        tuple(frozenset(one) for one in header["sets"]),
    )


def round_up_to_eight(length: int) -> int:
    return -(-length // 8) * 8


def encode_members(members: Mapping[int, Hashes]) -> bytes:
    """The file for the hashes of each segment's identifiers."""
    hashes, numbers, sets = combine_segments(members)
    header = json.dumps({"count": len(hashes), "sets": sets}).encode()
    body = b"".join(
        (
            MAGIC,
            len(header).to_bytes(8, "little"),
            header.ljust(round_up_to_eight(len(header)), b" "),
            hashes.astype("<u8").tobytes(),
            numbers.astype("<u4").tobytes(),
            b"\0" * (round_up_to_eight(len(numbers) * 4) - len(numbers) * 4),
        )
    )
    return body + hashlib.sha256(body).digest()


def combine_segments(members: Mapping[int, Hashes]) -> tuple[Hashes, npt.NDArray[np.int64], list[list[int]]]:
    """All hashes once, sorted; for each the number of its set of segments; the sets."""
    hashes = np.unique(np.concatenate([np.zeros(0, np.uint64), *members.values()]))
    numbers = np.zeros(len(hashes), np.int64)
    sets: list[list[int]] = [[]]
    for some in batched(
        sorted(members.items()), SEGMENTS_PER_PASS
    ):  # a bit each, and as many for the sets so far: they fit into 63
        numbers <<= SEGMENTS_PER_PASS
        for place, (_segment, own) in enumerate(some):
            numbers[np.searchsorted(hashes, own)] |= 1 << place
        distinct, numbers = np.unique(numbers, return_inverse=True)
        sets = [
            [
                *sets[number >> SEGMENTS_PER_PASS],
                *(segment for place, (segment, _own) in enumerate(some) if number >> place & 1),
            ]
            for number in distinct.tolist()
        ]
    return hashes, numbers, sets


def replace_members_file(*, path: Path, content: bytes) -> bool:
    """Writes the file beside its name and renames it; whether it is another than before. A reader has the old or the new one, whole."""
    if has_content(path, content):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over in path.parent.glob(f".{path.name}.*"):  # by a writer that was killed; two never write at once
        left_over.unlink(missing_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return True


def has_content(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except FileNotFoundError:
        return False


def to_unsigned_hashes(values: Sequence[int] | Iterable[int]) -> Hashes:
    """Of PostgreSQL's signed 64 bits."""
    return np.fromiter(values, np.int64).view(np.uint64)
