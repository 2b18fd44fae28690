"""Finds any of many texts in bytes: as plain text, escaped in JSON and quoted in URLs, ignoring case."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from config.foundation.personal_data.person import Person

MIN_BYTES = 4
ID_PATTERNS = (
    '"customer_id": {}',
    '"customer_id":{}',
    "customer_id={}",
    "/customer/{}/",
    "customer #{}",
    "customer {}",
)
MASK = b"*"


def list_variants(text: str) -> set[bytes]:
    """Return the forms in which a text can be stored, as lowercase bytes."""
    variants = set()
    for form in {text, text.lower()}:
        variants |= {form.encode("utf-8", "surrogatepass"), json.dumps(form)[1:-1].encode(), quote(form).encode()}
        if not form.isascii():
            variants.add(form.encode("gb18030", "ignore"))
    return {variant.lower() for variant in variants if len(variant) >= MIN_BYTES}


def list_person_texts(people: Iterable[Person]) -> list[str]:
    """Return the texts that identify people: names, contact data and identifiers."""
    texts = {text for person in people for text in person.search_terms}
    return sorted(texts | {pattern.format(number) for number in _list_numbers(people) for pattern in ID_PATTERNS})


def _list_numbers(people: Iterable[Person]) -> set[int]:
    return {number for person in people for number in person.customer_ids}


class TextMatcher:
    """Finds texts in bytes; the time does not grow with the number of texts.

    A text that ends with a digit is found only where no further digit follows: customer 12 is not customer 123.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.by_prefix: dict[bytes, list[bytes]] = defaultdict(list)
        self.longest = 0
        self._first, self._second = np.zeros(65536, bool), np.zeros(65536, bool)
        for variant in sorted({variant for text in texts for variant in list_variants(text)}):
            self.by_prefix[variant[:MIN_BYTES]].append(variant)
            self.longest = max(self.longest, len(variant))
            self._first[variant[0] | variant[1] << 8] = True
            self._second[variant[2] | variant[3] << 8] = True

    def contains(self, data: bytes) -> bool:
        """Return whether any of the texts is in the data."""
        return next(self.find(data), None) is not None

    def find(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield start and end of each occurrence, in order."""
        for start, term in self._find_terms(data.lower()):
            yield start, start + len(term)

    def _find_terms(self, lowered: bytes) -> Iterator[tuple[int, bytes]]:
        for start in self._find_candidates(lowered).tolist():
            for term in self.by_prefix.get(lowered[start : start + MIN_BYTES], ()):
                if lowered.startswith(term, start) and not _is_number_cut(lowered, start + len(term)):
                    yield start, term

    def _find_candidates(self, lowered: bytes) -> npt.NDArray[np.intp]:
        if len(lowered) < MIN_BYTES or not self.by_prefix:
            return np.empty(0, np.intp)
        codes = np.frombuffer(lowered, np.uint8).astype(np.uint16)
        pairs = codes[:-1] | codes[1:] << 8
        return np.flatnonzero(self._first[pairs[:-2]] & self._second[pairs[2:]])

    def mask(self, data: bytes) -> bytes:
        """Return the data with each occurrence overwritten by asterisks, of the same length."""
        masked = bytearray(data)
        for start, end in self.find(data):
            masked[start:end] = MASK * (end - start)
        return bytes(masked)

    def mask_text(self, text: str) -> str:
        """Return a text with each occurrence masked: by asterisks, a bare number by nines, and the customer number after a field name by 0.

        JSON stays valid: a number remains a number.
        """
        data, pieces, last = text.encode("utf-8", "surrogatepass"), [], 0
        for start, end in self.find(data):
            if start >= last:
                pieces += [data[last:start], _replace(data[start:end])]
                last = end
        return b"".join([*pieces, data[last:]]).decode("utf-8", "replace")


def _replace(found: bytes) -> bytes:
    if found.isdigit():
        return b"9" * len(found)
    head = found.rstrip(b"0123456789/")
    is_number = any(head.lower() == pattern.partition("{")[0].encode() for pattern in ID_PATTERNS)
    return head + b"0" if is_number else MASK * len(found)


def _is_number_cut(lowered: bytes, end: int) -> bool:
    """Return whether the search term ends in the middle of a number."""
    return lowered[end - 1 : end].isdigit() and lowered[end : end + 1].isdigit()


class GroupMatcher(TextMatcher):
    """Finds the texts of groups of people, such as those of several erasures, in one search, and says whose they are."""

    def __init__(self, groups: Mapping[int, Sequence[Person]]) -> None:
        texts = {group: list_person_texts(people) for group, people in groups.items()}
        super().__init__({text for listed in texts.values() for text in listed})
        self.owners: dict[bytes, set[int]] = defaultdict(set)
        for group, listed in texts.items():
            for text in listed:
                for variant in list_variants(text):
                    self.owners[variant].add(group)

    def find_groups(self, data: bytes) -> set[int]:
        """Return the groups that have a text in the data."""
        found: set[int] = set()
        for _start, term in self._find_terms(data.lower()):
            found |= self.owners[term]
        return found


def build_matcher(people: Sequence[Person]) -> TextMatcher:
    """Return a matcher for all texts that identify people."""
    return TextMatcher(list_person_texts(people))
