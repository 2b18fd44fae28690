"""The members of the segments that rules use, in one file that all workers map: looked up in microseconds, without the database.

File format: 8 bytes of magic, the length of the header, the header as JSON; then, each starting at a multiple of 8, the
sorted hashes of ``kind:value`` (uint64) and for each the number of its set of segments (uint32); last, the SHA-256 of
everything before. Identifiers are stored as keyed hashes, so that the file reveals no customer ids.
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

from config.foundation.files.mirrored_file import MirroredFile
from config.foundation.keys.hash_keys import get_hash_key, get_hash_keys
from config.foundation.keys.key_ids import compute_key_id

logger = logging.getLogger(__name__)

MAGIC = b"PSEGMEM1"
DIGEST_BYTES = 32
SEGMENTS_PER_PASS = 31  # the bits of an int64 that remain next to the 32 of a set number
NO_SEGMENTS: frozenset[int] = frozenset()
type Hashes = npt.NDArray[np.uint64]


class DamagedMembersError(Exception):
    """The file of segment members is damaged."""


def get_members_path() -> Path:
    return Path(settings.MERCHANDISING_DIR) / "segment-members"


def build_member_file(path: Path) -> MirroredFile:
    """Return the mirrored file, by which machines with separate folders share the members."""
    return MirroredFile("merchandising/segment-members", path)


@lru_cache(maxsize=4)
def make_hash_prefix(key: str) -> str:
    """Return a key for this purpose only, so that the shop's own key is not part of any query."""
    return hashlib.sha256(b"segment members:" + key.encode()).hexdigest()


def find_file_key(key_id: str) -> str:
    """Return the hash key with which a file was written; if that key no longer exists, the current one, which finds nothing."""
    return next((key for key in get_hash_keys() if compute_key_id(key) == key_id), get_hash_key())


def hash_identifier(identifier: str, key: str = "") -> int:
    """Return 64 bits of ``kind:value``, under the current hash key or another one.

    Two of a million members share them with a probability of 1 in 30 million.
    """
    text = make_hash_prefix(key or get_hash_key()) + identifier
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])


@dataclass(frozen=True, eq=False)
class SegmentMemberTable:
    """The content of a mapped file. Replacing the file does not change it."""

    hashes: memoryview
    numbers: memoryview
    sets: tuple[frozenset[int], ...]
    key: str = ""

    def find_segments(self, identifiers: Iterable[str]) -> frozenset[int]:
        segments, count = NO_SEGMENTS, len(self.hashes)
        for identifier in identifiers:
            value = hash_identifier(identifier, self.key)
            # Bisection in a memoryview compares Python integers; a NumPy array would make a scalar per step.
            position = bisect_left(self.hashes, value)
            if position < count and self.hashes[position] == value:
                segments |= self.sets[self.numbers[position]]
        return segments


class SegmentMemberReader:
    """The members that a worker has in memory. `refresh` is called regularly, `find_segments` by every request."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.members: SegmentMemberTable | None = None
        self.fingerprint: tuple[int, int, int] | None = None
        self._refresh_lock = threading.Lock()
        self._mirror: MirroredFile | None = None

    def find_segments(self, identifiers: Iterable[str]) -> frozenset[int]:
        """Return the segments used in rules that have any of these ``kind:value`` identifiers.

        Unknown segments are empty.
        """
        members = self.members
        return members.find_segments(identifiers) if members is not None else NO_SEGMENTS

    def refresh(self) -> bool:
        """Read the file if it has changed, and return whether it had.

        A damaged file counts as empty and is logged.
        """
        with self._refresh_lock:  # otherwise a slow thread could put back an older file than another has just read
            return self._refresh()

    def _refresh(self) -> bool:
        path = self.path or get_members_path()
        if self._mirror is None or self._mirror.path != path:
            self._mirror = build_member_file(path)
        self._mirror.update()
        try:
            status = os.stat(path)
        except FileNotFoundError:
            changed, self.fingerprint, self.members = self.fingerprint is not None, None, None
            return changed
        fingerprint = (status.st_ino, status.st_size, status.st_mtime_ns)
        if fingerprint == self.fingerprint:
            return False
        try:
            self.members = open_members(path)
        except (DamagedMembersError, OSError) as error:
            logger.error(
                "Cannot read %s: rules for segments apply to no customer until the file is written again: %s",
                path,
                error,
            )
            self.members = None
        self.fingerprint = fingerprint
        return True


def open_members(path: Path) -> SegmentMemberTable:
    """Map a file of segment members.

    Errors: DamagedMembersError if it is truncated, changed or another file.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < len(MAGIC) + 8 + DIGEST_BYTES:
            raise DamagedMembersError("the file is too short")
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))  # outlives the file object
    body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if body[: len(MAGIC)] != MAGIC or hashlib.sha256(body).digest() != digest:
        raise DamagedMembersError("the checksum differs from what was written")
    start = len(MAGIC) + 8
    length = int.from_bytes(body[len(MAGIC) : start], "little")
    header = json.loads(bytes(body[start : start + length]))
    first = start + round_up_to_eight(length)
    second = first + header["count"] * 8
    return SegmentMemberTable(
        body[first:second].cast("Q"),
        body[second : second + header["count"] * 4].cast("I"),
        tuple(frozenset(segments) for segments in header["sets"]),
        find_file_key(header.get("key", "")),
    )


def round_up_to_eight(length: int) -> int:
    return -(-length // 8) * 8


def encode_members(members: Mapping[int, Hashes]) -> bytes:
    """Return the content of the file for the identifier hashes of each segment."""
    hashes, numbers, sets = combine_segments(members)
    header = json.dumps({"count": len(hashes), "sets": sets, "key": compute_key_id(get_hash_key())}).encode()
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
    """Return all distinct hashes, sorted; for each the number of its set of segments; the sets."""
    hashes = np.unique(np.concatenate([np.zeros(0, np.uint64), *members.values()]))
    numbers = np.zeros(len(hashes), np.int64)
    sets: list[list[int]] = [[]]
    for group in batched(sorted(members.items()), SEGMENTS_PER_PASS):
        # One bit per segment of this pass, above them the number of the set so far: 31 + 32 bits fit into an int64.
        numbers <<= SEGMENTS_PER_PASS
        for bit, (_segment, own_hashes) in enumerate(group):
            numbers[np.searchsorted(hashes, own_hashes)] |= 1 << bit
        distinct, numbers = np.unique(numbers, return_inverse=True)
        sets = [
            [
                *sets[number >> SEGMENTS_PER_PASS],
                *(segment for bit, (segment, _own_hashes) in enumerate(group) if number >> bit & 1),
            ]
            for number in distinct.tolist()
        ]
    return hashes, numbers, sets


def replace_members_file(*, path: Path, content: bytes) -> bool:
    """Replace the file atomically and return whether its content changed.

    Readers see the old or the new file, complete.
    """
    if has_content(path, content):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*"):  # from a killed writer; only one process writes at a time
        leftover.unlink(missing_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # otherwise a power failure could leave the new name with an empty file
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
    """Return unsigned hashes for PostgreSQL's signed 64-bit numbers."""
    return np.fromiter(values, np.int64).view(np.uint64)
