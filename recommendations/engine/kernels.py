"""The loops that do not vectorise, compiled by Numba.

All of them are single-threaded and, but for the `brief` ones, release the GIL; `parallel.py` runs them on blocks of rows in ordinary
threads. That keeps them safe under Celery's fork and under several web threads, where Numba's own thread pool is not. They stand in one
file because Numba's cache on disk notices changes of the calling file only.
"""

import numba
import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags

type Bytes = npt.NDArray[np.uint8]

compiled = numba.njit(nogil=True, cache=True)
# for one history at a time: some microseconds, in which another thread of a web worker is better kept waiting than let in
brief = numba.njit(cache=True)
inlined = numba.njit(nogil=True, cache=True, inline="always")
contracted = numba.njit(nogil=True, cache=True, fastmath={"contract"})
reordered = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})  # sums of products in vector registers

ALMOST_ONE = 1.0001  # a bound of sums in float32 is wider by this
FEW = 128  # items among which one is looked for one by one


@inlined
def _beats(
    value: np.floating | float, tie: np.int64, other_value: np.floating | float, other_tie: np.int64
) -> bool | np.bool_:
    return value > other_value or (value == other_value and tie < other_tie)


@compiled
def _sift_down(values: AnyFloats, ties: AnyInts, columns: AnyInts, start: int, size: int) -> None:
    """Restore the heap (worst entry at the root) below `start`."""
    value, tie, column = values[start], ties[start], columns[start]
    hole = start
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        if child + 1 < size and _beats(values[child], ties[child], values[child + 1], ties[child + 1]):
            child += 1
        if not _beats(value, tie, values[child], ties[child]):
            break
        values[hole], ties[hole], columns[hole] = values[child], ties[child], columns[child]
        hole = child
    values[hole], ties[hole], columns[hole] = value, tie, column


@compiled
def _sift_up(values: AnyFloats, ties: AnyInts, columns: AnyInts, hole: int) -> None:
    value, tie, column = values[hole], ties[hole], columns[hole]
    while hole > 0:
        parent = (hole - 1) // 2
        if not _beats(values[parent], ties[parent], value, tie):
            break
        values[hole], ties[hole], columns[hole] = values[parent], ties[parent], columns[parent]
        hole = parent
    values[hole], ties[hole], columns[hole] = value, tie, column


@compiled
def _offer(
    values: AnyFloats,
    ties: AnyInts,
    columns: AnyInts,
    size: int,
    value: np.floating | float,
    tie: np.int64,
    column: int,
) -> int:
    """Keep the entry if it is among the best `len(values)`; return the new size."""
    if size < values.shape[0]:
        values[size], ties[size], columns[size] = value, tie, column
        _sift_up(values, ties, columns, size)
        return size + 1
    if _beats(value, tie, values[0], ties[0]):
        values[0], ties[0], columns[0] = value, tie, column
        _sift_down(values, ties, columns, 0, size)
    return size


@compiled
def _drain(
    values: AnyFloats, ties: AnyInts, columns: AnyInts, size: int, out_columns: AnyInts, out_values: AnyFloats
) -> None:
    """Write the heap's entries, best first."""
    while size > 0:
        size -= 1
        out_columns[size] = columns[0]
        out_values[size] = values[0]
        values[0], ties[0], columns[0] = values[size], ties[size], columns[size]
        if size > 0:
            _sift_down(values, ties, columns, 0, size)


@inlined
def _tie(seed: int, row: int, column: int) -> np.int64:
    """The tie-break: the column itself, or with seed >= 0 a pseudo-random number of (seed, row, column), splitmix64."""
    if seed < 0:
        return np.int64(column)
    mixed = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + (np.uint64(row) << np.uint64(32)) + np.uint64(column)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(1))


@compiled
def product_rows(
    a_indptr: AnyInts,
    a_indices: AnyInts,
    a_data: AnyFloats,
    b_indptr: AnyInts,
    b_indices: AnyInts,
    b_data: AnyFloats,
    n_columns: int,
    start: int,
    stop: int,
) -> tuple[AnyInts, AnyInts, AnyFloats]:
    """Rows start…stop of A·B: (entries per row, columns, values), columns in the order they were met."""
    total = np.zeros(n_columns, np.float32)
    met = np.zeros(n_columns, np.bool_)
    order = np.empty(n_columns, np.int32)
    counts = np.zeros(stop - start, np.int32)
    columns = np.empty(max(1024, n_columns), np.int32)
    values = np.empty(columns.shape[0], np.float32)
    filled = 0
    for row in range(start, stop):
        count = 0
        for p in range(a_indptr[row], a_indptr[row + 1]):
            middle = a_indices[p]
            factor = a_data[p]
            for q in range(b_indptr[middle], b_indptr[middle + 1]):
                column = b_indices[q]
                if not met[column]:
                    met[column] = True
                    order[count] = column
                    count += 1
                total[column] += factor * b_data[q]
        if filled + count > columns.shape[0]:
            capacity = 2 * (filled + count)
            grown_columns = np.empty(capacity, np.int32)
            grown_columns[:filled] = columns[:filled]
            columns = grown_columns
            grown_values = np.empty(capacity, np.float32)
            grown_values[:filled] = values[:filled]
            values = grown_values
        for index in range(count):
            column = order[index]
            columns[filled] = column
            values[filled] = total[column]
            filled += 1
            total[column] = 0
            met[column] = False
        counts[row - start] = count
    return counts, columns[:filled].copy(), values[:filled].copy()


@compiled
def product_top_k(
    a_indptr: AnyInts,
    a_indices: AnyInts,
    a_data: AnyFloats,
    b_indptr: AnyInts,
    b_indices: AnyInts,
    b_data: AnyFloats,
    n_columns: int,
    rows: AnyInts,
    skip: AnyInts,
    shrinkage: np.float32,
    least: int,
    out_columns: AnyInts,
    out_values: AnyFloats,
    out_counts: AnyInts,
) -> None:
    """The k largest positive entries of the named rows of A·B, best first, without column skip[row].

    Entries summed over fewer than `least` terms are left out. With shrinkage λ > 0 an entry summed over n terms is multiplied by
    n / (n + λ). k is the width of `out_columns`.
    """
    counting = shrinkage > 0 or least > 1
    total = np.zeros(n_columns, np.float64)
    terms = np.zeros(n_columns if counting else 0, np.int32)
    met = np.zeros(n_columns, np.bool_)
    order = np.empty(n_columns, np.int32)
    k = out_columns.shape[1]
    heap_values = np.empty(k, np.float32)
    heap_ties = np.empty(k, np.int64)
    heap_columns = np.empty(k, np.int32)
    for row in rows:
        count = 0
        for p in range(a_indptr[row], a_indptr[row + 1]):
            middle = a_indices[p]
            factor = a_data[p]
            for q in range(b_indptr[middle], b_indptr[middle + 1]):
                column = b_indices[q]
                if not met[column]:
                    met[column] = True
                    order[count] = column
                    count += 1
                total[column] += factor * b_data[q]
                if counting:
                    terms[column] += 1
        size = 0
        for index in range(count):
            column = order[index]
            value = np.float32(total[column])
            if counting:
                value = value * terms[column] / (terms[column] + shrinkage) if terms[column] >= least else np.float32(0)
                terms[column] = 0
            total[column] = 0
            met[column] = False
            # Equals at the border are common, and cost a call each if they are only refused inside.
            wanted = size < k or _beats(value, np.int64(column), heap_values[0], heap_ties[0])
            if wanted and value > 0 and column != skip[row]:
                size = _offer(heap_values, heap_ties, heap_columns, size, value, np.int64(column), column)
        out_counts[row] = size
        _drain(heap_values, heap_ties, heap_columns, size, out_columns[row], out_values[row])


@compiled
def best_of_dense(
    scores: AnyFloats,
    barred_indptr: AnyInts,
    barred_indices: AnyInts,
    allowed: Flags,
    seed: int,
    first_row: int,
    out_columns: AnyInts,
    out_values: AnyFloats,
) -> None:
    """The n best columns of each row of a dense matrix; NaN, -inf, barred and disallowed columns never appear."""
    n_rows, n_columns = scores.shape
    n = out_columns.shape[1]
    heap_values = np.empty(n, np.float32)
    heap_ties = np.empty(n, np.int64)
    heap_columns = np.empty(n, np.int32)
    open_columns = allowed.copy()
    for row in range(n_rows):
        for p in range(barred_indptr[row], barred_indptr[row + 1]):
            open_columns[barred_indices[p]] = False
        size = 0
        for column in range(n_columns):
            value = scores[row, column]
            if (size < n or value >= heap_values[0]) and open_columns[column] and value > -np.inf:
                tie = _tie(seed, first_row + row, column)
                if size == n and not _beats(value, tie, heap_values[0], heap_ties[0]):
                    continue
                size = _offer(heap_values, heap_ties, heap_columns, size, value, tie, column)
        _drain(heap_values, heap_ties, heap_columns, size, out_columns[row], out_values[row])
        for p in range(barred_indptr[row], barred_indptr[row + 1]):
            open_columns[barred_indices[p]] = allowed[barred_indices[p]]


@compiled
def best_of_sparse(
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    barred_indptr: AnyInts,
    barred_indices: AnyInts,
    allowed: Flags,
    seed: int,
    first_row: int,
    out_columns: AnyInts,
    out_values: AnyFloats,
) -> None:
    """The same of a sparse matrix: only stored entries can appear."""
    n_rows = indptr.shape[0] - 1
    n = out_columns.shape[1]
    heap_values = np.empty(n, np.float32)
    heap_ties = np.empty(n, np.int64)
    heap_columns = np.empty(n, np.int32)
    open_columns = allowed.copy()
    for row in range(n_rows):
        for p in range(barred_indptr[row], barred_indptr[row + 1]):
            open_columns[barred_indices[p]] = False
        size = 0
        for q in range(indptr[row], indptr[row + 1]):
            column = indices[q]
            value = data[q]
            if (size < n or value >= heap_values[0]) and open_columns[column] and value > -np.inf:
                tie = _tie(seed, first_row + row, column)
                if size == n and not _beats(value, tie, heap_values[0], heap_ties[0]):
                    continue
                size = _offer(heap_values, heap_ties, heap_columns, size, value, tie, column)
        _drain(heap_values, heap_ties, heap_columns, size, out_columns[row], out_values[row])
        for p in range(barred_indptr[row], barred_indptr[row + 1]):
            open_columns[barred_indices[p]] = allowed[barred_indices[p]]


@compiled
def nearest_raters(
    similarities: AnyFloats,
    u_indptr: AnyInts,
    u_indices: AnyInts,
    deviations: AnyFloats,
    k: int,
    out_sums: AnyFloats,
    out_norms: AnyFloats,
) -> None:
    """Per row and item, Σ sim·deviation and Σ|sim| over the k raters of the item with the largest |sim| (sim 0 is nobody).

    u rows are what each person rated. The most alike come first, and each is heard for an item until it has k.
    """
    heard = np.empty(out_sums.shape[1], np.int64)
    for row in range(similarities.shape[0]):
        heard[:] = 0
        for user in np.argsort(-np.abs(similarities[row]), kind="mergesort"):
            similarity = similarities[row, user]
            if similarity == 0:
                break
            for p in range(u_indptr[user], u_indptr[user + 1]):
                item = u_indices[p]
                if heard[item] < k:
                    heard[item] += 1
                    out_sums[row, item] += similarity * deviations[p]
                    out_norms[row, item] += abs(similarity)


@compiled
def hash_texts(blob: Bytes, offsets: AnyInts) -> npt.NDArray[np.uint64]:
    """64-bit FNV-1a of each text, finished with a splitmix64 round; the same in every process."""
    hashes = np.empty(offsets.shape[0] - 1, np.uint64)
    for index in range(hashes.shape[0]):
        value = np.uint64(0xCBF29CE484222325)
        for place in range(offsets[index], offsets[index + 1]):
            value = (value ^ np.uint64(blob[place])) * np.uint64(0x100000001B3)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        hashes[index] = value ^ (value >> np.uint64(31))
    return hashes


@compiled
def texts_equal(
    blob: Bytes, offsets: AnyInts, rows: AnyInts, other_blob: Bytes, other_offsets: AnyInts, other_rows: AnyInts
) -> Flags:
    """Whether text rows[i] of the first set equals text other_rows[i] of the second, for each i."""
    equal = np.empty(rows.shape[0], np.bool_)
    for index in range(rows.shape[0]):
        start = offsets[rows[index]]
        length = offsets[rows[index] + 1] - start
        other_start = other_offsets[other_rows[index]]
        equal[index] = other_offsets[other_rows[index] + 1] - other_start == length
        place = 0
        while equal[index] and place < length:
            equal[index] = blob[start + place] == other_blob[other_start + place]
            place += 1
    return equal


@contracted
def _add_four(target: AnyFloats, a: AnyFloats, b: AnyFloats, c: AnyFloats, d: AnyFloats, factors: AnyFloats) -> None:
    one, two, three, four = factors[0], factors[1], factors[2], factors[3]
    for place in range(target.shape[0]):
        target[place] += one * a[place] + two * b[place] + three * c[place] + four * d[place]


@contracted
def dense_product(left: AnyFloats, right: AnyFloats, out: AnyFloats) -> None:
    """out += left · right for dense float32 matrices; a row's result does not depend on the other rows, as it does in BLAS."""
    tile = 1024
    fours = left.shape[1] // 4 * 4
    for first in range(0, right.shape[1], tile):
        last = min(first + tile, right.shape[1])
        for row in range(left.shape[0]):
            target = out[row, first:last]
            for middle in range(0, fours, 4):
                _add_four(
                    target,
                    right[middle, first:last],
                    right[middle + 1, first:last],
                    right[middle + 2, first:last],
                    right[middle + 3, first:last],
                    left[row, middle : middle + 4],
                )
            for middle in range(fours, left.shape[1]):
                factor, source = left[row, middle], right[middle, first:last]
                for place in range(target.shape[0]):
                    target[place] += factor * source[place]


@reordered
def _dot(left: AnyFloats, right: AnyFloats) -> np.float32:
    total = np.float32(0)
    for place in range(left.shape[0]):
        total += left[place] * right[place]
    return total


@reordered
def _times_system(
    gram: AnyFloats,
    ridge: np.float32,
    columns: AnyInts,
    weights: AnyFloats,
    others: AnyFloats,
    vector: AnyFloats,
    out: AnyFloats,
) -> None:
    """out = (gram + ridge · I + Σ_p weights[p] · y_p y_pᵀ) · vector with y_p = others[columns[p]]."""
    factors = vector.shape[0]
    for place in range(factors):
        out[place] = ridge * vector[place]
    for row in range(factors):
        value = vector[row]
        for place in range(factors):
            out[place] += value * gram[row, place]
    for p in range(columns.shape[0]):
        other = others[columns[p]]
        value = weights[p] * _dot(other, vector)
        for place in range(factors):
            out[place] += value * other[place]


@reordered
def descend_rows(
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    gram: AnyFloats,
    ridges: AnyFloats,
    others: AnyFloats,
    steps: int,
    rows: AnyFloats,
) -> None:
    """Each row a few conjugate-gradient steps nearer to the solution of (gram + ridge · I + Σ w y yᵀ) x = Σ w y, in place."""
    factors = others.shape[1]
    residual = np.empty(factors, np.float32)
    direction = np.empty(factors, np.float32)
    image = np.empty(factors, np.float32)
    for row in range(rows.shape[0]):
        columns = indices[indptr[row] : indptr[row + 1]]
        weights = data[indptr[row] : indptr[row + 1]]
        x = rows[row]
        if columns.shape[0] == 0:
            x[:] = 0
            continue
        ridge = ridges[row]
        _times_system(gram, ridge, columns, weights, others, x, residual)
        for place in range(factors):
            residual[place] = -residual[place]
        for p in range(columns.shape[0]):
            other = others[columns[p]]
            for place in range(factors):
                residual[place] += weights[p] * other[place]
        direction[:] = residual
        size = _dot(residual, residual)
        for _ in range(steps):
            if size < 1e-20:
                break
            _times_system(gram, ridge, columns, weights, others, direction, image)
            stride = size / _dot(direction, image)
            for place in range(factors):
                x[place] += stride * direction[place]
                residual[place] -= stride * image[place]
            smaller = _dot(residual, residual)
            for place in range(factors):
                direction[place] = residual[place] + smaller / size * direction[place]
            size = smaller


@compiled
def _factorise(system: npt.NDArray[np.float64]) -> None:
    """Cholesky factor L of a positive definite matrix, into its lower triangle."""
    size = system.shape[0]
    for row in range(size):
        for column in range(row + 1):
            total = system[row, column]
            for place in range(column):
                total -= system[row, place] * system[column, place]
            system[row, column] = np.sqrt(total) if row == column else total / system[column, column]


@compiled
def _solve_factorised(lower: npt.NDArray[np.float64], vector: npt.NDArray[np.float64]) -> None:
    """L Lᵀ x = vector, in place."""
    _solve_lower(lower, vector)
    _solve_upper(lower, vector)


@inlined
def _solve_lower(lower: npt.NDArray[np.float64], vector: npt.NDArray[np.float64]) -> None:
    """L x = vector, in place."""
    for row in range(lower.shape[0]):
        total = vector[row]
        for place in range(row):
            total -= lower[row, place] * vector[place]
        vector[row] = total / lower[row, row]


@inlined
def _solve_upper(lower: npt.NDArray[np.float64], vector: npt.NDArray[np.float64]) -> None:
    """Lᵀ x = vector, in place."""
    for row in range(lower.shape[0] - 1, -1, -1):
        vector[row] /= lower[row, row]
        for place in range(row):
            vector[place] -= lower[row, place] * vector[row]


@compiled
def fold_in_rows(
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    gram: AnyFloats,
    ridges: AnyFloats,
    others: AnyFloats,
    out: AnyFloats,
) -> None:
    """The exact solution of (gram + ridge · I + Σ w y yᵀ) x = Σ w y for each row; 0 for a row without entries."""
    factors = others.shape[1]
    system = np.empty((factors, factors), np.float64)
    vector = np.empty(factors, np.float64)
    for row in range(out.shape[0]):
        if indptr[row] == indptr[row + 1]:
            out[row] = 0
            continue
        vector[:] = 0
        for one in range(factors):
            for two in range(one + 1):
                system[one, two] = gram[one, two]
            system[one, one] += ridges[row]
        for p in range(indptr[row], indptr[row + 1]):
            other = others[indices[p]]
            for one in range(factors):
                value = np.float64(data[p]) * other[one]
                vector[one] += value
                for two in range(one + 1):
                    system[one, two] += value * other[two]
        _factorise(system)
        _solve_factorised(system, vector)
        for place in range(factors):
            out[row, place] = vector[place]


@compiled
def session_strengths(
    indptr: AnyInts, items: AnyInts, weights: AnyFloats, factors: AnyFloats, decay: float, longest: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Different items of each history, newest first, with weight · decay^(places back of the newest) · factors[item]."""
    out_indptr = np.zeros(indptr.shape[0], np.int64)
    out_items = np.empty(items.shape[0], np.int32)
    out_strengths = np.empty(items.shape[0], np.float32)
    few = (
        longest <= FEW and indptr.shape[0] == 2
    )  # of one short history looking back is less work than an array of all items
    met = np.full(0 if few else factors.shape[0], -1, np.int32)
    filled = 0
    for row in range(indptr.shape[0] - 1):
        factor = 1.0
        first = max(indptr[row], indptr[row + 1] - longest)
        for p in range(indptr[row + 1] - 1, first - 1, -1):
            item = items[p]
            again = False
            if few:
                for earlier in range(filled):
                    again = again or out_items[earlier] == item
            else:
                again = met[item] == row
            if not again and weights[p] > 0:
                if not few:
                    met[item] = row
                out_items[filled] = item
                out_strengths[filled] = factor * weights[p] * factors[item]
                filled += 1
            factor *= decay
        out_indptr[row + 1] = filled
    return out_indptr, out_items[:filled].copy(), out_strengths[:filled].copy()


@inlined
def _slot_of(table: AnyInts, bits: int, session: int) -> int:
    """Where a session stands among the first 2^bits rows of the table, or the free row that it would get; by Fibonacci hashing."""
    slot = np.int64((np.uint64(session) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - bits))
    while table[slot, 0] != 0 and table[slot, 3] != session:
        slot = (slot + 1) & ((1 << bits) - 1)
    return int(slot)


@inlined
def _entries_of(shared: AnyInts, item_starts: AnyInts) -> int:
    entries = 0
    for place in range(shared.shape[0]):
        entries += item_starts[shared[place] + 1] - item_starts[shared[place]]
    return entries


@inlined
def _bits_for(entries: int) -> int:
    """So that a table of 2^bits rows is at most half full."""
    bits = 4
    while (1 << bits) < 2 * entries:
        bits += 1
    return bits


@compiled
def _kth_largest(values: AnyFloats, k: int) -> np.floating:
    """The k-th largest of float32 values that are not negative, whose bits are ordered as they are: by eleven, eleven and ten of them.

    However many are equal, which selection by pivots does not take well.
    """
    bits = values.view(np.uint32)
    counts = np.zeros(2048, np.int32)
    known = np.uint32(0)
    for shift, width in ((21, 11), (10, 11), (0, 10)):
        counts[:] = 0
        for index in range(bits.shape[0]):
            if bits[index] >> np.uint32(shift + width - 1) >> np.uint32(1) == known:
                counts[(bits[index] >> np.uint32(shift)) & np.uint32((1 << width) - 1)] += 1
        digit = (1 << width) - 1
        while counts[digit] < k:
            k -= counts[digit]
            digit -= 1
        known = (known << np.uint32(width)) | np.uint32(digit)
    answer = np.full(1, known, np.uint32)
    return answer.view(np.float32)[0]


@inlined
def _coarse_kth(counts: AnyInts, k: int) -> int:
    """Of how many values have which eleven highest bits, the bits of the k-th largest; -1 where there are fewer."""
    digit = counts.shape[0] - 1
    while digit >= 0 and counts[digit] < k:
        k -= counts[digit]
        digit -= 1
    return digit


@compiled
def _least_of_best(
    k: int,
    user: int,
    table: AnyInts,
    used: AnyInts,
    session_factors: AnyFloats,
    session_users: AnyInts,
) -> np.floating:
    """What the k-th nearest session has at least, to an eighth of it: the k-th value of those that share most; 0 where that is unknown."""
    sums = table.view(np.float32)
    counts = np.zeros(1024, np.int32)
    for index in range(used.shape[0]):
        counts[table[used[index], 1] >> 21] += 1
    lowest = _coarse_kth(counts, min(2 * k, used.shape[0]))
    counts[:] = 0
    value = np.empty(1, np.float32)
    bits = value.view(np.int32)
    for index in range(used.shape[0]):
        slot = used[index]
        if table[slot, 1] >> 21 >= lowest:
            session = table[slot, 3]
            if not (user >= 0 and session_users[session] == user):
                value[0] = sums[slot, 1] * session_factors[session]
                counts[bits[0] >> 21] += 1
    bits[0] = max(_coarse_kth(counts, k), 0) << 21
    return value[0]


@compiled
def _nearest_sessions(
    shared: AnyInts,
    strengths: AnyFloats,
    user: int,
    k: int,
    session_factors: AnyFloats,
    largest: float,
    session_users: AnyInts,
    item_starts: AnyInts,
    item_sessions: AnyInts,
    table: AnyInts,
    used: AnyInts,
    found: AnyFloats,
) -> tuple[AnyInts, AnyFloats, AnyInts]:
    """The k sessions nearest to one history (ties: the newer ones), without those of `user`: (sessions, their v_s, newest_shared).

    newest_shared is the place in `shared` of the newest item both have. They come in the order in which they were met.

    largest: of the session factors. table: rows of int32, all 0 and left so, at least 2^`_bits_for` of the entries that the index has
    for the items; used and found: at least one place an entry. Sessions are summed in a table that fits into the processor's cache, not
    by their number; and once the k-th best has more than all weaker items together could give, these only add to what is there.
    """
    sums = table.view(np.float32)
    bits = _bits_for(_entries_of(shared, item_starts))
    rest = 0.0
    for place in range(shared.shape[0]):
        rest += strengths[place]
    given = 0.0
    count, looked = 0, k
    least = np.float32(0)
    for place in np.argsort(-strengths):
        strength = strengths[place]
        if 2 * rest < given and count >= looked:
            least = _least_of_best(k, user, table, used[:count], session_factors, session_users)
            looked = 2 * count
        growing = count < k or rest * largest * ALMOST_ONE >= least
        rest -= strength
        given += strength
        for p in range(item_starts[shared[place]], item_starts[shared[place] + 1]):
            session = item_sessions[p]
            slot = _slot_of(table, bits, session)
            if table[slot, 0] != 0:
                sums[slot, 1] += strength
                table[slot, 2] = min(table[slot, 2], place)
            elif growing:
                table[slot, 0] = 1
                sums[slot, 1] = strength
                table[slot, 2] = place
                table[slot, 3] = session
                used[count] = slot
                count += 1
    if count > 4 * k:
        least = _least_of_best(k, user, table, used[:count], session_factors, session_users)
    candidates = 0
    for index in range(count):
        slot = used[index]
        table[slot, 0] = 0
        if sums[slot, 1] * np.float32(largest) >= least:
            session = table[slot, 3]
            value = np.float32(sums[slot, 1] * session_factors[session])
            if value >= least and value > 0 and not (user >= 0 and session_users[session] == user):
                found[candidates] = value
                used[candidates] = slot
                candidates += 1
    size = min(k, candidates)
    sessions, values, newest_shared = np.empty(size, np.int32), np.empty(size, np.float32), np.empty(size, np.int32)
    lowest, oldest = np.float32(0), 0
    if candidates > k:
        lowest = _kth_largest(found[:candidates], k)
        better = 0
        tied = np.empty(candidates, np.int32)
        ties = 0
        for index in range(candidates):
            if found[index] > lowest:
                better += 1
            elif found[index] == lowest:
                tied[ties] = table[used[index], 3]
                ties += 1
        oldest = np.partition(tied[:ties], ties - (k - better))[ties - (k - better)]
    filled = 0
    for index in range(candidates):
        slot = used[index]
        if found[index] > lowest or (found[index] == lowest and table[slot, 3] >= oldest):
            sessions[filled] = table[slot, 3]
            values[filled] = found[index]
            newest_shared[filled] = table[slot, 2]
            filled += 1
    return sessions, values, newest_shared


@compiled
def copied_sessions(
    near: AnyInts, session_starts: AnyInts, session_items: AnyInts, session_weights: AnyFloats
) -> tuple[AnyInts, AnyInts, AnyFloats]:
    """The places of some sessions, one after the other: (starts, items, weights).

    A loop that does nothing else has many of them on their way from memory at once.
    """
    starts = np.empty(near.shape[0] + 1, np.int64)
    ends = np.empty(near.shape[0], np.int64)
    length = 0
    for index in range(near.shape[0]):
        starts[index] = session_starts[near[index]]
        ends[index] = session_starts[near[index] + 1]
    for index in range(near.shape[0]):
        length += ends[index] - starts[index]
    items, weights = np.empty(length, np.int32), np.empty(length, np.float32)
    filled = 0
    for index in range(near.shape[0]):
        first = starts[index]
        starts[index] = filled
        for place in range(first, ends[index]):
            items[filled] = session_items[place]
            weights[filled] = session_weights[place]
            filled += 1
    starts[near.shape[0]] = filled
    return starts, items, weights


@inlined
def _place_of(items: AnyInts, first: int, last: int, item: int) -> int:
    """The last place of `item` in items[first:last]."""
    place = last - 1
    while items[place] != item:
        place -= 1
    return place


@inlined
def _by_distance(distance: int, powers: AnyFloats, reach: float, back: float, own: float) -> float:
    """ρ of session neighbours, with reach^d from a table where it is long enough."""
    if distance == 0:
        return own
    steps = distance - 1 if distance > 0 else -distance - 1
    power = powers[steps] if steps < powers.shape[0] else reach**steps
    return power if distance > 0 else back * power


@compiled
def _add_sessions(
    values: AnyFloats,
    newest_shared: AnyInts,
    shared: AnyInts,
    starts: AnyInts,
    items: AnyInts,
    weights: AnyFloats,
    powers: AnyFloats,
    reach: float,
    back: float,
    own: float,
    total: AnyFloats,
    met: Flags,
    order: AnyInts,
    anchors: AnyInts,
) -> int:
    """total[i] += Σ v_s w_sp ρ(p − a_s) over the places p of i in the sessions; anchors become the a_s. `order` names the items met."""
    count = 0
    for index in range(values.shape[0]):
        first, last = starts[index], starts[index + 1]
        anchor = _place_of(items, first, last, shared[newest_shared[index]])
        anchors[index] = anchor
        for place in range(first, last):
            column = items[place]
            if not met[column]:
                met[column] = True
                order[count] = column
                count += 1
            total[column] += values[index] * weights[place] * _by_distance(place - anchor, powers, reach, back, own)
    return count


@compiled
def session_scores(
    indptr: AnyInts,
    items: AnyInts,
    strengths: AnyFloats,
    users: AnyInts,
    start: int,
    stop: int,
    item_factors: AnyFloats,
    session_starts: AnyInts,
    session_items: AnyInts,
    session_weights: AnyFloats,
    session_factors: AnyFloats,
    largest: float,
    session_users: AnyInts,
    item_starts: AnyInts,
    item_sessions: AnyInts,
    k: int,
    powers: AnyFloats,
    reach: float,
    back: float,
    own: float,
) -> tuple[AnyInts, AnyInts, AnyFloats]:
    """Rows start…stop of the scores: (entries per row, columns, values), columns in the order they were met."""
    n_items = item_factors.shape[0]
    entries = 0
    for row in range(start, stop):
        entries = max(entries, _entries_of(items[indptr[row] : indptr[row + 1]], item_starts))
    table = np.zeros((1 << _bits_for(entries), 4), np.int32)
    used, found = np.empty(entries, np.int32), np.empty(entries, np.float32)
    total = np.zeros(n_items, np.float64)
    met = np.zeros(n_items, np.bool_)
    order = np.empty(n_items, np.int32)
    counts = np.zeros(stop - start, np.int32)
    out_columns = np.empty(1024, np.int32)
    out_values = np.empty(1024, np.float32)
    filled = 0
    for row in range(start, stop):
        shared = items[indptr[row] : indptr[row + 1]]
        near, values, newest_shared = _nearest_sessions(
            shared, strengths[indptr[row] : indptr[row + 1]], users[row], k, session_factors, largest, session_users,
            item_starts, item_sessions, table, used, found,
        )  # fmt: skip
        starts, near_items, weights = copied_sessions(near, session_starts, session_items, session_weights)
        count = _add_sessions(
            values, newest_shared, shared, starts, near_items, weights, powers, reach, back, own, total, met, order,
            np.empty(near.shape[0], np.int32),
        )  # fmt: skip
        if filled + count > out_columns.shape[0]:
            capacity = 2 * (filled + count)
            grown_columns = np.empty(capacity, np.int32)
            grown_columns[:filled] = out_columns[:filled]
            out_columns = grown_columns
            grown_values = np.empty(capacity, np.float32)
            grown_values[:filled] = out_values[:filled]
            out_values = grown_values
        for index in range(count):
            column = order[index]
            value = np.float32(total[column] * item_factors[column])
            total[column] = 0
            met[column] = False
            if value > 0:
                out_columns[filled] = column
                out_values[filled] = value
                filled += 1
                counts[row - start] += 1
    return counts, out_columns[:filled].copy(), out_values[:filled].copy()


@inlined
def _collect(total: AnyFloats, met: Flags, order: AnyInts, count: int, column: int, value: float) -> int:
    """total[column] += value, remembering the columns in the order they were met; their number so far."""
    if not met[column]:
        met[column] = True
        order[count] = column
        count += 1
    total[column] += value
    return count


@compiled
def transition_top_k(
    rows: AnyInts,
    occurrences: AnyInts,
    places: AnyInts,
    indptr: AnyInts,
    owners: AnyInts,
    items: AnyInts,
    moments: AnyInts,
    roots: AnyFloats,
    dampings: AnyFloats,
    forward: AnyFloats,
    backward: AnyFloats,
    window: int,
    likeness: float,
    v_indptr: AnyInts,
    v_indices: AnyInts,
    v_data: AnyFloats,
    n_terms: int,
    a_indptr: AnyInts,
    a_indices: AnyInts,
    a_data: AnyFloats,
    row_factors: AnyFloats,
    column_factors: AnyFloats,
    out_columns: AnyInts,
    out_values: AnyFloats,
    out_counts: AnyInts,
) -> None:
    """The k largest entries of the named rows of the transition matrix of `algorithms/transitions.py`, best first.

    Item r stands at places[occurrences[r]…occurrences[r + 1]] of the histories; person p has places indptr[p]…indptr[p + 1].
    forward[d] and backward[d] weigh a pair d moments apart; no pair is more than `window` places apart. V are the items' vectors
    over n_terms terms, A what is added to the counted pairs. k is the width of `out_columns`.
    """
    n_columns = column_factors.shape[0]
    reach = forward.shape[0] - 1
    total = np.zeros(n_columns, np.float64)
    met = np.zeros(n_columns, np.bool_)
    order = np.empty(n_columns, np.int32)
    vector = np.zeros(n_terms, np.float32)
    k = out_columns.shape[1]
    heap_values = np.empty(k, np.float32)
    heap_ties = np.empty(k, np.int64)
    heap_columns = np.empty(k, np.int32)
    for row in rows:
        count = 0
        for q in range(occurrences[row], occurrences[row + 1]):
            here = places[q]
            owner = owners[here]
            root = roots[here] * dampings[owner]
            for there in range(here + 1, min(here + window, indptr[owner + 1] - 1) + 1):
                distance = moments[there] - moments[here]
                if distance > reach:
                    break
                count = _collect(total, met, order, count, items[there], root * roots[there] * forward[distance])
            for there in range(here - 1, max(here - window, indptr[owner]) - 1, -1):
                distance = moments[here] - moments[there]
                if distance > reach:
                    break
                count = _collect(total, met, order, count, items[there], root * roots[there] * backward[distance])
        if likeness > 0:
            for p in range(v_indptr[row], v_indptr[row + 1]):
                vector[v_indices[p]] = v_data[p]
            for index in range(count):
                column = order[index]
                cosine = 0.0
                for p in range(v_indptr[column], v_indptr[column + 1]):
                    cosine += vector[v_indices[p]] * v_data[p]
                total[column] *= 1.0 + likeness * cosine
            for p in range(v_indptr[row], v_indptr[row + 1]):
                vector[v_indices[p]] = 0
        for p in range(a_indptr[row], a_indptr[row + 1]):
            count = _collect(total, met, order, count, a_indices[p], a_data[p])
        size = 0
        for index in range(count):
            column = order[index]
            value = np.float32(total[column] * row_factors[row] * column_factors[column])
            total[column] = 0
            met[column] = False
            if value > 0 and (size < k or value >= heap_values[0]):
                size = _offer(heap_values, heap_ties, heap_columns, size, value, np.int64(column), column)
        out_counts[row] = size
        _drain(heap_values, heap_ties, heap_columns, size, out_columns[row], out_values[row])


@compiled
def nearest_rated(
    n_indptr: AnyInts,
    n_indices: AnyInts,
    n_data: AnyFloats,
    h_indptr: AnyInts,
    h_items: AnyInts,
    deviations: AnyFloats,
    k: int,
    damping: float,
    scores: AnyFloats,
) -> None:
    """Adds Σ s·deviation / (damping + Σ s) over the first k neighbours of each item that a history holds; n rows stand best first."""
    n_items = scores.shape[1]
    place = np.full(n_items, -1, np.int64)
    for row in range(scores.shape[0]):
        for p in range(h_indptr[row], h_indptr[row + 1]):
            place[h_items[p]] = p
        held = h_indptr[row + 1] - h_indptr[row]
        for item in range(n_items):
            found = 0
            total, norm = 0.0, 0.0
            for q in range(n_indptr[item], n_indptr[item + 1]):
                p = place[n_indices[q]]
                if p >= 0:
                    total += np.float64(n_data[q]) * deviations[p]
                    norm += n_data[q]
                    found += 1
                    if found in (k, held):
                        break
            if found:
                scores[row, item] += total / (damping + norm)
        for p in range(h_indptr[row], h_indptr[row + 1]):
            place[h_items[p]] = -1


@reordered
def descend_ratings(
    order: AnyInts,
    indptr: AnyInts,
    indices: AnyInts,
    ratings: AnyFloats,
    step: np.float32,
    pull: np.float32,
    bias_pull: np.float32,
    user_pulls: AnyFloats,
    item_pulls: AnyFloats,
    implicit: bool,
    people: AnyFloats,
    items: AnyFloats,
    implicit_items: AnyFloats,
    user_biases: AnyFloats,
    item_biases: AnyFloats,
) -> None:
    """One epoch of the descent of `algorithms/rating_factors.py`, in place; `ratings` without their mean."""
    factors = items.shape[1]
    around = np.zeros(factors, np.float32)
    slope = np.empty(factors, np.float32)
    for user in order:
        first, last = indptr[user], indptr[user + 1]
        if first == last:
            continue
        scale = np.float32(1 / np.sqrt(last - first))
        own = people[user]
        own_pull = pull * user_pulls[user]
        if implicit:
            around[:] = 0
            slope[:] = 0
            for p in range(first, last):
                other = implicit_items[indices[p]]
                for place in range(factors):
                    around[place] += scale * other[place]
        for p in range(first, last):
            item = indices[p]
            vector = items[item]
            product = np.float32(0)
            for place in range(factors):
                product += vector[place] * (own[place] + around[place])
            error = ratings[p] - user_biases[user] - item_biases[item] - product
            user_biases[user] += step * (error - bias_pull * user_pulls[user] * user_biases[user])
            item_biases[item] += step * (error - bias_pull * item_pulls[item] * item_biases[item])
            item_pull = pull * item_pulls[item]
            for place in range(factors):
                q, mine = vector[place], own[place]
                slope[place] += error * q
                own[place] = mine + step * (error * q - own_pull * mine)
                vector[place] = q + step * (error * (mine + around[place]) - item_pull * q)
        if implicit:
            for p in range(first, last):
                item_pull = pull * item_pulls[indices[p]]
                other = implicit_items[indices[p]]
                for place in range(factors):
                    other[place] += step * (scale * slope[place] - item_pull * other[place])


@compiled
def fold_in_ratings(
    indptr: AnyInts,
    indices: AnyInts,
    residuals: AnyFloats,
    items: AnyFloats,
    implicit_items: AnyFloats,
    ridges: AnyFloats,
    bias_ridges: AnyFloats,
    out: AnyFloats,
    out_biases: AnyFloats,
) -> None:
    """Vector and bias of each row by ridge regression of its residuals on (items, 1), beyond the mean of the implicit vectors."""
    factors = items.shape[1]
    system = np.empty((factors + 1, factors + 1), np.float64)
    vector = np.empty(factors + 1, np.float64)
    around = np.empty(factors, np.float64)
    for row in range(out.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        if first == last:
            continue
        around[:] = 0
        for p in range(first, last):
            for one in range(factors):
                around[one] += implicit_items[indices[p], one]
        around /= np.sqrt(last - first)
        system[:] = 0
        vector[:] = 0
        for p in range(first, last):
            item = items[indices[p]]
            left = residuals[p]
            for one in range(factors):
                left -= item[one] * around[one]
            for one in range(factors):
                value = np.float64(item[one])
                vector[one] += left * value
                system[factors, one] += value
                for two in range(one + 1):
                    system[one, two] += value * item[two]
            vector[factors] += left
        for one in range(factors):
            system[one, one] += ridges[row]
        system[factors, factors] = last - first + bias_ridges[row]
        _factorise(system)
        _solve_factorised(system, vector)
        for one in range(factors):
            out[row, one] = vector[one] + around[one]
        out_biases[row] = vector[factors]


@reordered
def draw_rows(
    indptr: AnyInts,
    indices: AnyInts,
    targets: AnyFloats,
    features: AnyFloats,
    pulls: AnyFloats,
    precision: AnyFloats,
    noise: float,
    noises: AnyFloats,
    out: AnyFloats,
) -> None:
    """Per row A⁻¹ (pull + noise Σ target f) + L⁻ᵀ noises with A = L Lᵀ = precision + noise Σ f fᵀ, f the features of its entries."""
    size = features.shape[1]
    system = np.empty((size, size), np.float64)
    vector = np.empty(size, np.float64)
    for row in range(out.shape[0]):
        system[:] = 0
        vector[:] = 0
        for p in range(indptr[row], indptr[row + 1]):
            feature = features[indices[p]]
            for one in range(size):
                vector[one] += targets[p] * feature[one]
                for two in range(one + 1):
                    system[one, two] += feature[one] * feature[two]
        for one in range(size):
            vector[one] = pulls[row, one] + noise * vector[one]
            for two in range(one + 1):
                system[one, two] = precision[one, two] + noise * system[one, two]
        _factorise(system)
        _solve_lower(system, vector)
        vector += noises[row]
        _solve_upper(system, vector)
        out[row] = vector


@compiled
def add_links(indptr: AnyInts, indices: AnyInts, scales: AnyFloats, links: AnyFloats, out: AnyFloats) -> None:
    """Adds scale · Σ links of its entries to each row."""
    for row in range(out.shape[0]):
        for p in range(indptr[row], indptr[row + 1]):
            for place in range(links.shape[1]):
                out[row, place] += scales[row] * links[indices[p], place]


@reordered
def draw_links(
    indptr: AnyInts,
    indices: AnyInts,
    scales: AnyFloats,
    ridge: float,
    noises: AnyFloats,
    left: AnyFloats,
    links: AnyFloats,
) -> None:
    """Draws each link y_j from its conditional under left_u = scale_u y_j + …, u the entries of row j; `left` follows."""
    size = links.shape[1]
    total = np.empty(size, np.float64)
    for row in range(links.shape[0]):
        strength = 0.0
        total[:] = 0
        for p in range(indptr[row], indptr[row + 1]):
            scale = scales[indices[p]]
            strength += scale * scale
            for place in range(size):
                total[place] += scale * left[indices[p], place]
        for place in range(size):
            drawn = (total[place] + strength * links[row, place]) / (ridge + strength)
            drawn += noises[row, place] / np.sqrt(ridge + strength)
            total[place] = drawn - links[row, place]
            links[row, place] = drawn
        for p in range(indptr[row], indptr[row + 1]):
            scale = scales[indices[p]]
            for place in range(size):
                left[indices[p], place] -= scale * total[place]


@reordered
def squared_error(indptr: AnyInts, indices: AnyInts, values: AnyFloats, people: AnyFloats, items: AnyFloats) -> float:
    """Σ (value − p · q − b − c)² over all entries, vectors with the bias last."""
    total = 0.0
    last = people.shape[1] - 1
    for row in range(people.shape[0]):
        own = people[row]
        for p in range(indptr[row], indptr[row + 1]):
            other = items[indices[p]]
            said = own[last] + other[last]
            for place in range(last):
                said += own[place] * other[place]
            total += (values[p] - said) ** 2
    return total


@brief
def history_sums(
    items: AnyInts,
    weights: AnyFloats,
    orders: AnyFloats,
    as_of: float,
    half_life: float,
    recency: float,
    weighting: int,
    total: AnyFloats,
    met: Flags,
    order: AnyInts,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Different items of one history and their summed weights, those that sum to 0 left out.

    half_life: in the unit of `orders`, 0 for none. recency: factor for each moment back from the newest, below 0 for none.
    weighting: 0 raw, 1 binary, 2 ln(1 + x) of the sums. total and met must be 0 and False, and are left so.
    """
    count = 0
    factor, newest = 1.0, np.inf
    for p in range(items.shape[0] - 1, -1, -1):
        weight = weights[p]
        if half_life > 0:
            weight = np.float32(weight * 2.0 ** (-max(as_of - orders[p], 0.0) / half_life))
        if recency >= 0:
            if orders[p] != newest and newest != np.inf:
                factor *= recency
            newest = orders[p]
            weight = np.float32(weight * factor)
        item = items[p]
        if not met[item]:
            met[item] = True
            order[count] = item
            count += 1
        total[item] += weight
    found = np.empty(count, np.int32)
    values = np.empty(count, np.float32)
    filled = 0
    for index in range(count):
        item = order[index]
        value = total[item]
        total[item] = 0
        met[item] = False
        if value != 0:
            found[filled] = item
            values[filled] = np.float32(1) if weighting == 1 else (np.log1p(value) if weighting == 2 else value)
            filled += 1
    return found[:filled], values[:filled]


@brief
def row_product(
    items: AnyInts,
    weights: AnyFloats,
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    total: AnyFloats,
    met: Flags,
    order: AnyInts,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """One sparse row times a CSR matrix: (columns, values). total and met must be 0 and False, and are left so."""
    count = 0
    for p in range(items.shape[0]):
        weight = weights[p]
        for q in range(indptr[items[p]], indptr[items[p] + 1]):
            column = indices[q]
            if not met[column]:
                met[column] = True
                order[count] = column
                count += 1
            total[column] += weight * data[q]
    columns = np.empty(count, np.int32)
    values = np.empty(count, np.float32)
    for index in range(count):
        column = order[index]
        columns[index] = column
        values[index] = total[column]
        total[column] = 0
        met[column] = False
    return columns, values


@brief
def fold_in(
    columns: AnyInts, values: AnyFloats, factor: float, total: AnyFloats, met: Flags, order: AnyInts, count: int
) -> int:
    """Adds factor · value where the value is positive; `order` names the columns met so far, `count` of them."""
    for index in range(columns.shape[0]):
        if values[index] > 0:
            column = columns[index]
            if not met[column]:
                met[column] = True
                order[count] = column
                count += 1
            total[column] += np.float32(factor) * values[index]
    return count


@brief
def forget(total: AnyFloats, met: Flags, order: AnyInts, count: int) -> None:
    for index in range(count):
        total[order[index]] = 0
        met[order[index]] = False


@brief
def slots_of(items: AnyInts, slots: AnyInts) -> npt.NDArray[np.int32]:
    """The different items in order, each of whose slots becomes its place among them, and -1 behind them."""
    different = np.unique(items)
    base = np.empty(different.shape[0] + 1, np.int32)
    for place in range(different.shape[0]):
        base[place] = different[place]
        slots[different[place]] = place
    base[-1] = -1
    return base


@brief
def scale_parts(rows: AnyInts, values: AnyFloats, factor: float, places: AnyInts, out: AnyFloats) -> None:
    """Makes each column of out sum to factor · value of its row where that is positive, and 0 where nothing speaks for it."""
    worth = np.zeros(out.shape[1], np.float32)
    for index in range(rows.shape[0]):
        place = places[rows[index]]
        if place >= 0:
            worth[place] = np.float32(factor) * max(values[index], np.float32(0))
    for column in range(out.shape[1]):
        total = np.float32(0)
        for slot in range(out.shape[0]):
            total += out[slot, column]
        share = worth[column] / total if total > 0 else np.float32(0)
        for slot in range(out.shape[0]):
            out[slot, column] *= share


@brief
def largest_parts(
    parts: AnyFloats,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Of (sources, slots, columns): for each column the slot with the largest sum over sources, its largest source, and its share of all.

    The slot is -1 where nothing is positive.
    """
    n_sources, n_slots, n_columns = parts.shape
    slots, sources = np.empty(n_columns, np.int32), np.empty(n_columns, np.int32)
    shares = np.zeros(n_columns, np.float32)
    for column in range(n_columns):
        best, largest, whole = -1, np.float32(0), np.float32(0)
        for slot in range(n_slots):
            together = np.float32(0)
            for source in range(n_sources):
                together += parts[source, slot, column]
            whole += together
            if together > largest:
                best, largest = slot, together
        source = 0
        for other in range(1, n_sources):
            if parts[other, best, column] > parts[source, best, column]:
                source = other
        slots[column], sources[column] = best, source
        if whole > 0:
            shares[column] = largest / whole
    return slots, sources, shares


@brief
def best_of_one(
    total: AnyFloats,
    met: Flags,
    order: AnyInts,
    count: int,
    static: AnyFloats,
    static_order: AnyInts,
    allowed: Flags,
    barred: AnyInts,
    out: Flags,
    factors: AnyFloats,
    largest: float,
    n: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The n best columns by (total + static) · factors, best first (ties: lower column); only positive values, allowed and not barred.

    order[:count] are the columns where total is not 0. static_order: the columns with a positive static value, largest first; no more of
    it is looked at than can be among the best, so the size of the catalogue does not matter. Without factors their length is 0; largest:
    of the factors, 1 without. out must be False, and is left so.
    """
    heap_values = np.empty(n, np.float32)
    heap_ties = np.empty(n, np.int64)
    heap_columns = np.empty(n, np.int32)
    size = 0
    weighed = factors.shape[0] > 0
    for p in range(barred.shape[0]):
        if barred[p] >= 0:
            out[barred[p]] = True
    for index in range(count):
        column = order[index]
        value = total[column] + static[column]
        if weighed:
            value *= factors[column]
        if value > 0 and allowed[column] and not out[column]:
            if size == n and not _beats(value, np.int64(column), heap_values[0], heap_ties[0]):
                continue
            size = _offer(heap_values, heap_ties, heap_columns, size, value, np.int64(column), column)
    for index in range(static_order.shape[0]):
        column = static_order[index]
        value = static[column]
        if size == n and value * np.float32(largest) < heap_values[0]:
            break
        if weighed:
            value *= factors[column]
        if value > 0 and allowed[column] and not met[column] and not out[column]:
            if size == n and not _beats(value, np.int64(column), heap_values[0], heap_ties[0]):
                continue
            size = _offer(heap_values, heap_ties, heap_columns, size, value, np.int64(column), column)
    for p in range(barred.shape[0]):
        if barred[p] >= 0:
            out[barred[p]] = False
    columns = np.empty(size, np.int32)
    values = np.empty(size, np.float32)
    _drain(heap_values, heap_ties, heap_columns, size, columns, values)
    return columns, values


@brief
def add_linear_parts(
    items: AnyInts,
    rows: AnyInts,
    weights: AnyFloats,
    factor: float,
    slots: AnyInts,
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    places: AnyInts,
    out: AnyFloats,
) -> None:
    """out[slots[item], places[column]] += factor · weight · entry of the item's row, for the columns whose place is not negative."""
    for p in range(items.shape[0]):
        weight = factor * weights[p]
        slot = slots[items[p]]
        for q in range(indptr[rows[p]], indptr[rows[p] + 1]):
            place = places[indices[q]]
            if place >= 0:
                out[slot, place] += weight * data[q]


@brief
def spread(
    documents: AnyInts, values: AnyFloats, indptr: AnyInts, items: AnyInts
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The items of each document, items[indptr[d]:indptr[d + 1]], with its value; without those that are not positive."""
    count = 0
    for p in range(documents.shape[0]):
        if values[p] > 0:
            count += indptr[documents[p] + 1] - indptr[documents[p]]
    out_items = np.empty(count, np.int32)
    out_values = np.empty(count, np.float32)
    filled = 0
    for p in range(documents.shape[0]):
        if values[p] > 0:
            for q in range(indptr[documents[p]], indptr[documents[p] + 1]):
                out_items[filled] = items[q]
                out_values[filled] = values[p]
                filled += 1
    return out_items, out_values


@brief
def content_parts(
    rows: AnyInts,
    weights: AnyFloats,
    slots: AnyInts,
    targets: AnyInts,
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    buffer: AnyFloats,
    out: AnyFloats,
) -> None:
    """out[slots[h], m] += weights[h] · (vector of row h · vector of target m). buffer: one entry a term, 0, and is left so."""
    for m in range(targets.shape[0]):
        if targets[m] < 0:
            continue
        for q in range(indptr[targets[m]], indptr[targets[m] + 1]):
            buffer[indices[q]] = data[q]
        for h in range(rows.shape[0]):
            cosine = np.float32(0)
            for q in range(indptr[rows[h]], indptr[rows[h] + 1]):
                cosine += data[q] * buffer[indices[q]]
            out[slots[h], m] += weights[h] * cosine
        for q in range(indptr[targets[m]], indptr[targets[m] + 1]):
            buffer[indices[q]] = 0


@brief
def neighbour_parts(
    near: AnyInts,
    shares: AnyFloats,
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    unit_indptr: AnyInts,
    unit_indices: AnyInts,
    unit_data: AnyFloats,
    own: AnyFloats,
    slots: AnyInts,
    places: AnyInts,
    out: AnyFloats,
) -> None:
    """Of each neighbour's part in a score, to every item both have its part of their similarity.

    out[slots[j], places[i]] += shares[v] · x_vi · u_vj own_j / Σ_j u_vj own_j; own is 0 for what the history does not hold.
    """
    for v in range(near.shape[0]):
        person = near[v]
        wanted = False
        for q in range(indptr[person], indptr[person + 1]):
            if places[indices[q]] >= 0:
                wanted = True
                break
        if not wanted:
            continue
        whole = 0.0
        for q in range(unit_indptr[person], unit_indptr[person + 1]):
            whole += unit_data[q] * own[unit_indices[q]]
        if not whole > 0:
            continue
        for q in range(indptr[person], indptr[person + 1]):
            place = places[indices[q]]
            if place >= 0:
                worth = shares[v] * data[q] / whole
                for p in range(unit_indptr[person], unit_indptr[person + 1]):
                    common = unit_data[p] * own[unit_indices[p]]
                    if common != 0:
                        out[slots[unit_indices[p]], place] += worth * common


@brief
def sessions_of_one(
    shared: AnyInts,
    strengths: AnyFloats,
    user: int,
    item_factors: AnyFloats,
    session_starts: AnyInts,
    session_items: AnyInts,
    session_weights: AnyFloats,
    session_factors: AnyFloats,
    largest: float,
    session_users: AnyInts,
    item_starts: AnyInts,
    item_sessions: AnyInts,
    k: int,
    powers: AnyFloats,
    reach: float,
    back: float,
    own: float,
    table: AnyInts,
    used: AnyInts,
    found: AnyFloats,
    total: AnyFloats,
    met: Flags,
    order: AnyInts,
) -> tuple[AnyInts, AnyFloats, AnyInts, AnyInts, AnyInts, AnyInts, AnyFloats]:
    """`session_scores` of one history in arrays that the caller keeps: (columns, values, nearest sessions, places of their anchors, and

    the sessions themselves as of `copied_sessions`). total and met must be 0 and False, and are left so.
    """
    near, values, newest_shared = _nearest_sessions(
        shared, strengths, user, k, session_factors, largest, session_users, item_starts, item_sessions, table, used, found,
    )  # fmt: skip
    starts, items, weights = copied_sessions(near, session_starts, session_items, session_weights)
    anchors = np.empty(near.shape[0], np.int32)
    count = _add_sessions(
        values, newest_shared, shared, starts, items, weights, powers, reach, back, own, total, met, order, anchors
    )
    columns = np.empty(count, np.int32)
    scores = np.empty(count, np.float32)
    filled = 0
    for index in range(count):
        column = order[index]
        value = np.float32(total[column] * item_factors[column])
        total[column] = 0
        met[column] = False
        if value > 0:
            columns[filled] = column
            scores[filled] = value
            filled += 1
    return columns[:filled], scores[:filled], near, anchors, starts, items, weights


@brief
def session_shares(
    near: AnyInts,
    anchors: AnyInts,
    starts: AnyInts,
    items: AnyInts,
    weights: AnyFloats,
    shared: AnyInts,
    strengths: AnyFloats,
    item_factors: AnyFloats,
    session_factors: AnyFloats,
    item_starts: AnyInts,
    item_sessions: AnyInts,
    powers: AnyFloats,
    reach: float,
    back: float,
    own: float,
    slots: AnyInts,
    places: AnyInts,
    strength_of: AnyFloats,
    out: AnyFloats,
) -> None:
    """Of the sessions that `sessions_of_one` found, out[slots[shared item], places[column]] += the item's part of v_s times the rest.

    strength_of: one entry an item, 0, and is left so. That an item's index names a session, of which it holds the newest alone, follows
    from the oldest one in it.
    """
    worth = np.zeros(out.shape[1], out.dtype)
    for place in range(shared.shape[0]):
        strength_of[shared[place]] = strengths[place]
    for index in range(near.shape[0]):
        session = near[index]
        first, last = starts[index], starts[index + 1]
        some = False
        for place in range(first, last):
            item = items[place]
            column = places[item]
            if column >= 0:
                near_by = _by_distance(place - anchors[index], powers, reach, back, own)
                worth[column] += weights[place] * near_by * item_factors[item]
                some = True
        if not some:
            continue
        for place in range(first, last):
            item = items[place]
            strength = strength_of[item]
            if strength > 0 and session >= item_sessions[item_starts[item + 1] - 1]:
                again = False
                for before in range(first, place):
                    again = again or items[before] == item
                if not again:
                    for column in range(worth.shape[0]):
                        out[slots[item], column] += strength * session_factors[session] * worth[column]
        worth[:] = 0
    for place in range(shared.shape[0]):
        strength_of[shared[place]] = 0


@brief
def row_of_text(wanted: Bytes, hashes: AnyInts, hash_rows: AnyInts, text: Bytes, offsets: AnyInts) -> int:
    """The row of one text, -1 where it is unknown: what `IdMap.rows` does for many."""
    ends = np.array([0, wanted.shape[0]])
    value = hash_texts(wanted, ends)[0]
    place = np.searchsorted(hashes, value)
    while place < hashes.shape[0] and hashes[place] == value:
        row = hash_rows[place]
        length = offsets[row + 1] - offsets[row]
        if length == wanted.shape[0]:
            same = True
            for at in range(length):
                if text[offsets[row] + at] != wanted[at]:
                    same = False
                    break
            if same:
                return row
        place += 1
    return -1
