"""Stores that are files: texts in which the lines about a person are overwritten, and files that are deleted as a whole."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from django.utils.functional import Promise

from config.foundation.personal_data.file_roots import GZIP_MAGIC, ZIP_MAGIC, list_files, read_blocks
from config.foundation.personal_data.locations import LocationKind, files
from config.foundation.personal_data.person import Finding, Person
from config.foundation.personal_data.stores import ErasurePhase, PersonalDataStore
from config.foundation.personal_data.text_matcher import MASK, GroupMatcher, TextMatcher, build_matcher


class TextFiles(PersonalDataStore):
    """Files of lines. Each line that names a person is overwritten with asterisks in place, so that writers and readers can continue.

    A compressed file that names a person is deleted.
    """

    def __init__(
        self,
        key: str,
        label: str | Promise,
        *patterns: str,
        kept: str | Promise = "",
        phase: ErasurePhase = ErasurePhase.INTAKE,
    ) -> None:
        self.key, self.label, self.kept, self.phase = key, label, kept, phase
        self.locations = tuple(files(*patterns))

    def list_own_files(self) -> Iterator[tuple[str, Path]]:
        """Yield the files that match the patterns."""
        for name, path in list_files():
            if any(location.covers_name(LocationKind.FILE, name) for location in self.locations):
                yield name, path

    def erase(self, people: Sequence[Person]) -> int:
        matcher = build_matcher(people)
        return sum(erase_lines(path, matcher) for _name, path in self.list_own_files())

    def find(self, people: Sequence[Person]) -> list[Finding]:
        matcher = build_matcher(people)
        return [
            self.make_finding(f"file {name}", 1, "text")
            for name, path in self.list_own_files()
            if is_in_file(path, matcher)
        ]


def is_in_file(path: Path, matcher: TextMatcher) -> bool:
    """Return whether a file, decoded, contains a search term."""
    return any(matcher.contains(block) for block in read_blocks(path, overlap=matcher.longest))


def find_groups_in_file(path: Path, matcher: GroupMatcher) -> set[int]:
    """Return the groups of people that have a search term in a file, decoded."""
    found: set[int] = set()
    for block in read_blocks(path, overlap=matcher.longest):
        found |= matcher.find_groups(block)
    return found


def erase_lines(path: Path, matcher: TextMatcher) -> int:
    """Overwrite the lines with a search term; return 1 if the file was changed or deleted."""
    if not is_in_file(path, matcher):
        return 0
    with suppress(FileNotFoundError), path.open("r+b") as stream:
        content = stream.read()
        if content.startswith((GZIP_MAGIC, ZIP_MAGIC)):
            path.unlink()
            return 1
        for start, end in _find_lines(content, matcher):
            stream.seek(start)
            stream.write(MASK * (end - start))
        stream.flush()
        os.fsync(stream.fileno())
    return 1


def _find_lines(content: bytes, matcher: TextMatcher) -> Iterator[tuple[int, int]]:
    """Yield start and end of the lines with a search term, without their line ends."""
    last = -1
    for start, end in matcher.find(content):
        begin = content.rfind(b"\n", 0, start) + 1
        if begin == last:
            continue
        last = begin
        stop = content.find(b"\n", end)
        yield begin, len(content) if stop < 0 else stop
