"""Numba kernels over postings and the vocabulary; single-threaded, on read-only arrays; those that scan a whole index without the GIL.

A posting is a document that contains a term: its row and its impact, 1 to 65,535 for 0…1. Sums over a query's words use arrays with an
entry per document, so postings never need sorting.
"""

import numpy as np

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from config.foundation.kernels.compilation import make_jit

compiled = make_jit(nogil=True)
# For what every search does: the kernel takes microseconds, less than handing the GIL to another thread of the web worker and back.
compiled_with_gil = make_jit()
inlined = make_jit(nogil=True, inline="always")

IMPACT_UNIT = np.float32(1 / 65_535)


@compiled
def _compare(letters: AnyInts, start: int, end: int, word: AnyInts, only_prefix: bool) -> int:
    """Return -1, 0 or 1: the term sorts before, equals, or sorts after the word; with only_prefix, terms with that prefix are equal."""
    for position in range(word.shape[0]):
        if start + position >= end:
            return -1
        letter, other = letters[start + position], word[position]
        if letter != other:
            return -1 if letter < other else 1
    return 0 if only_prefix or end - start == word.shape[0] else 1


@compiled_with_gil
def find_term_range(letters: AnyInts, offsets: AnyInts, word: AnyInts, prefix: bool) -> tuple[int, int]:
    """Return the first term equal to the word (or with that prefix) and the one after the last; terms are sorted."""
    low, high = 0, offsets.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        if _compare(letters, offsets[middle], offsets[middle + 1], word, prefix) < 0:
            low = middle + 1
        else:
            high = middle
    # A second binary search finds the end of the range; it starts at the first match.
    first, high = low, offsets.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        if _compare(letters, offsets[middle], offsets[middle + 1], word, prefix) <= 0:
            low = middle + 1
        else:
            high = middle
    return first, low


@inlined
def _compute_signature_bit(letter: np.int64) -> np.uint64:
    # 37 is odd, so the letters of one block of 64 code points get 64 different bits.
    return np.uint64(1) << np.uint64((letter * 37 + (letter >> 6)) & 63)


@compiled
def compute_signature(word: AnyInts) -> np.uint64:
    """Return a bit mask of the letters that occur; two letters may share a bit."""
    signature = np.uint64(0)
    for letter in word:
        signature |= _compute_signature_bit(np.int64(letter))
    return signature


@compiled
def compute_signatures(letters: AnyInts, offsets: AnyInts, is_signed: Flags, out: AnyInts) -> None:
    """Write the signature of each term with `is_signed`."""
    for term in range(offsets.shape[0] - 1):
        if is_signed[term]:
            out[term] = compute_signature(letters[offsets[term] : offsets[term + 1]])


@inlined
def _count_bits(value: np.uint64) -> np.uint64:
    """Return the number of set bits (parallel bit count; Numba has no popcount for uint64)."""
    value = value - ((value >> np.uint64(1)) & np.uint64(0x5555555555555555))
    value = (value & np.uint64(0x3333333333333333)) + ((value >> np.uint64(2)) & np.uint64(0x3333333333333333))
    value = (value + (value >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (value * np.uint64(0x0101010101010101)) >> np.uint64(56)


@compiled
def compute_edit_distance(word: AnyInts, term: AnyInts, max_edits: int, prefix: bool) -> int:
    """Return the insertions, deletions, replacements and swaps of neighbors (optimal string alignment), at most max_edits + 1.

    With prefix, the smallest distance to any prefix of the term.
    """
    n, m = word.shape[0], term.shape[0]
    if n - m > max_edits or (not prefix and m - n > max_edits):
        return max_edits + 1
    width = min(m, n + max_edits)  # later letters of the term would need more than max_edits insertions
    second_last = np.empty(width + 1, np.int64)
    last = np.arange(width + 1)
    current = np.empty(width + 1, np.int64)
    for i in range(1, n + 1):
        current[0] = i
        row_minimum = i  # smallest value of this row
        for j in range(1, width + 1):
            cost = 0 if word[i - 1] == term[j - 1] else 1
            value = min(last[j] + 1, current[j - 1] + 1, last[j - 1] + cost)
            if i > 1 and j > 1 and word[i - 1] == term[j - 2] and word[i - 2] == term[j - 1]:
                value = min(value, second_last[j - 2] + 1)
            current[j] = value
            row_minimum = min(row_minimum, value)
        # A swap reads the row before the last, so the distance can still decrease unless two rows in a row exceed the limit.
        if row_minimum > max_edits and i > 1 and last.min() > max_edits:
            return max_edits + 1
        second_last, last, current = last, current, second_last
    distance = last.min() if prefix else last[width]
    return max_edits + 1 if distance > max_edits or (not prefix and width < m) else int(distance)


@compiled
def find_near_terms(
    letters: AnyInts,
    offsets: AnyInts,
    signatures: AnyInts,
    word: AnyInts,
    max_edits: int,
    prefix: bool,
    out_terms: AnyInts,
    out_distances: AnyInts,
) -> int:
    """Write terms within `max_edits` edits of the word, except the word itself; return their number, at most the output's length.

    A linear scan over 8 bytes per term: one edit removes at most one letter and adds at most one, so words whose signatures differ by more
    than `max_edits` bits on either side cannot be near, and hardly any other word is left to compare. Compared with SymSpell's deletion index it
    needs a thirtieth of the memory, and 0.1 ms for 100,000 terms.
    """
    word_signature = compute_signature(word)
    n = word.shape[0]
    count = 0
    for term in range(signatures.shape[0]):
        signature = signatures[term]
        if signature == 0 or _count_bits(word_signature & ~signature) > max_edits:
            continue
        length = offsets[term + 1] - offsets[term]
        if n - length > max_edits or (
            not prefix and (length - n > max_edits or _count_bits(signature & ~word_signature) > max_edits)
        ):
            continue
        distance = compute_edit_distance(word, letters[offsets[term] : offsets[term + 1]], max_edits, prefix)
        if 0 < distance <= max_edits and count < out_terms.shape[0]:
            out_terms[count], out_distances[count] = term, distance
            count += 1
    return count


@compiled
def scatter_postings(
    targets: AnyInts,
    indptr: AnyInts,
    docs: AnyInts,
    impacts: AnyInts,
    filled: AnyInts,
    out_docs: AnyInts,
    out_impacts: AnyInts,
) -> None:
    """Append the postings of each term to those of targets[term], at filled[target]; -1: the term is left out."""
    for term in range(targets.shape[0]):
        target = targets[term]
        if target >= 0:
            for source in range(indptr[term], indptr[term + 1]):
                out_docs[filled[target]] = docs[source]
                out_impacts[filled[target]] = impacts[source]
                filled[target] += 1


@compiled
def raise_best(
    docs: AnyInts,
    impacts: AnyInts,
    start: int,
    end: int,
    factor: np.float32,
    owner: AnyInts,
    segment: int,
    best: AnyFloats,
) -> int:
    """Set best[d] = max(best[d], factor · impact) for live documents of postings start…end; return how many were 0 before."""
    new = 0
    for posting in range(start, end):
        doc = docs[posting]
        # Postings of replaced and deleted texts stay in their segment until it is merged.
        if owner[doc] == segment:
            value = factor * impacts[posting] * IMPACT_UNIT
            if value > best[doc]:
                new += best[doc] == 0
                best[doc] = value
    return new


@compiled
def raise_best_of_all(
    docs: AnyInts,
    impacts: AnyInts,
    starts: AnyInts,
    ends: AnyInts,
    factor: np.float32,
    owner: AnyInts,
    segment: int,
    best: AnyFloats,
    n_matched: AnyInts,
    least: AnyFloats,
    raised: AnyInts,
) -> tuple[int, int]:
    """Do what `raise_best` does for documents that are in all of the lists, with the smallest of their impacts; write which are raised.

    Return how many were 0 before, and how many are raised. n_matched: zeros, which it is again afterwards; least: any values.
    """
    # n_matched[d] counts the lists in a row that contain d, so one array replaces the intersection of sorted lists.
    new, count = 0, 0
    for list_ in range(starts.shape[0]):
        for posting in range(starts[list_], ends[list_]):
            doc = docs[posting]
            if n_matched[doc] == list_ and owner[doc] == segment:
                value = factor * impacts[posting] * IMPACT_UNIT
                least[doc] = value if list_ == 0 else min(value, least[doc])
                n_matched[doc] = list_ + 1
                if list_ + 1 == starts.shape[0] and least[doc] > best[doc]:
                    new += best[doc] == 0
                    best[doc] = least[doc]
                    raised[count] = doc
                    count += 1
    for posting in range(starts[0], ends[0]):
        n_matched[docs[posting]] = 0
    return new, count


@compiled_with_gil
def count_live(docs: AnyInts, start: int, end: int, owner: AnyInts, segment: int) -> int:
    """Return how many postings belong to documents that the segment still owns."""
    count = 0
    for posting in range(start, end):
        count += owner[docs[posting]] == segment
    return count


@compiled
def count_live_among(
    docs: AnyInts,
    indptr: AnyInts,
    terms: AnyInts,
    owner: AnyInts,
    segment: int,
    among: Flags,
    counts: AnyInts,
) -> None:
    """Write how many live documents of `among` each of the terms has; `among` is empty for all documents."""
    for number in range(terms.shape[0]):
        count = 0
        for posting in range(indptr[terms[number]], indptr[terms[number] + 1]):
            doc = docs[posting]
            count += owner[doc] == segment and (among.shape[0] == 0 or among[doc])
        counts[number] = count


@compiled
def add_scores(
    docs: AnyInts,
    start: int,
    end: int,
    idf: np.float32,
    term_bits: np.uint64,
    best: AnyFloats,
    total: AnyFloats,
    covered_terms: AnyInts,
) -> None:
    """Add idf · best to the total of each document of the postings, mark the covered terms, and clear best."""
    for posting in range(start, end):
        doc = docs[posting]
        if best[doc] > 0:
            total[doc] += idf * best[doc]
            covered_terms[doc] |= term_bits
            best[doc] = 0  # also keeps a document in two ranges from counting twice


@compiled
def raise_totals(
    docs: AnyInts,
    start: int,
    end: int,
    idf: np.float32,
    term_bits: np.uint64,
    best: AnyFloats,
    total: AnyFloats,
    covered_terms: AnyInts,
) -> None:
    """Do what `add_scores` does, but raise the total to idf · best where it is less."""
    for posting in range(start, end):
        doc = docs[posting]
        if best[doc] > 0:
            total[doc] = max(total[doc], idf * best[doc])
            covered_terms[doc] |= term_bits
            best[doc] = 0


@compiled
def move_scores(docs: AnyInts, start: int, end: int, source: AnyFloats, target: AnyFloats) -> None:
    """Add the source's values of the documents of the postings to the target, and clear them."""
    for posting in range(start, end):
        doc = docs[posting]
        target[doc] += source[doc]
        source[doc] = 0  # also keeps a document in two ranges from counting twice


@compiled_with_gil
def select_matches(
    rows: AnyInts,
    covered_terms: AnyInts,
    allowed: Flags,
    n_required: int,
    min_full: int,
    positions: AnyInts,
    n_covered: AnyInts,
) -> tuple[int, int]:
    """Write the positions of the allowed documents with the most query terms; return their number and that of these terms.

    If these do not have all required terms or are fewer than `min_full`, those with at least half as many terms follow.
    """
    most, n_most = 0, 0
    for position in range(rows.shape[0]):
        if allowed[rows[position]]:
            bits = int(_count_bits(covered_terms[position]))
            if bits > most:
                most, n_most = bits, 0
            n_most += bits == most
    least = (most + 1) // 2 if most < n_required or n_most < min_full else most
    count = 0
    for position in range(rows.shape[0]):
        if allowed[rows[position]]:
            bits = int(_count_bits(covered_terms[position]))
            if bits >= least:
                positions[count], n_covered[count] = position, bits
                count += 1
    return count, most


@compiled_with_gil
def find_top_positions(keys: AnyFloats, ties: AnyInts, k: int) -> AnyInts:
    """Return the positions of the k largest keys, largest first; for equal keys the smaller tie first."""
    size = 0
    heap = np.empty(min(k, keys.shape[0]), np.int64)  # the worst of the kept positions is at the root
    for position in range(keys.shape[0]):
        if size < heap.shape[0]:
            hole = size
            size += 1
            while hole > 0:
                parent = (hole - 1) // 2
                if not _is_before(keys, ties, heap[parent], position):
                    break
                heap[hole] = heap[parent]
                hole = parent
            heap[hole] = position
        elif size and _is_before(keys, ties, position, heap[0]):
            _sift_down(keys, ties, heap, size, position)
    out = np.empty(size, np.int64)
    while size > 0:
        size -= 1
        out[size] = heap[0]
        if size > 0:
            _sift_down(keys, ties, heap, size, heap[size])
    return out


@inlined
def _is_before(keys: AnyFloats, ties: AnyInts, first: int, second: int) -> bool | np.bool_:
    return keys[first] > keys[second] or (keys[first] == keys[second] and ties[first] < ties[second])


@compiled
def _sift_down(keys: AnyFloats, ties: AnyInts, heap: AnyInts, size: int, position: int) -> None:
    """Put a position at the root of a heap with the worst entry there, and restore the heap."""
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        if child + 1 < size and _is_before(keys, ties, heap[child], heap[child + 1]):
            child += 1
        if not _is_before(keys, ties, position, heap[child]):
            break
        heap[hole] = heap[child]
        hole = child
    heap[hole] = position


@compiled_with_gil
def count_codes(rows: AnyInts, starts: AnyInts, lengths: AnyInts, pool: AnyInts, counts: AnyInts) -> None:
    """Add 1 to the count of each code of each row; the codes of a row are pool[start…start + length]."""
    for row in rows:
        for position in range(starts[row], starts[row] + lengths[row]):
            counts[pool[position]] += 1


@compiled_with_gil
def find_rows_with_code(rows: AnyInts, starts: AnyInts, lengths: AnyInts, pool: AnyInts, code: int, out: Flags) -> None:
    """Write which of the rows have the code."""
    for index in range(rows.shape[0]):
        row = rows[index]
        out[index] = False
        for position in range(starts[row], starts[row] + lengths[row]):
            if pool[position] == code:
                out[index] = True
                break
