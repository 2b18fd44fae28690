"""Compares the stored stage changes with the derived ones in one pass, compiled by Numba."""

import numpy as np

from config.foundation.array_types import Flags, Ints
from config.foundation.kernels.compilation import make_jit

compiled = make_jit(nogil=True)


@compiled
def diff_stage_changes(
    derived_start: Ints,
    derived_at: Ints,
    derived: Ints,
    stored_start: Ints,
    stored_order: Ints,
    stored_at: Ints,
    stored: Ints,
) -> tuple[Flags, Flags]:
    """Return which derived changes are not stored, and which stored ones are not derived.

    The shapes are (t,) and (s,).
    Customer i has the derived changes derived_start[i] to derived_start[i + 1], by moment, and the stored ones
    stored_order[stored_start[i]] and following in any order, which this function sorts by moment in place. Two changes are equal
    if moment and code are equal. Stored changes of no customer count as not derived.
    """
    missing, obsolete = np.ones(len(derived_at), np.bool_), np.ones(len(stored_at), np.bool_)
    for i in range(len(derived_start) - 1):
        low, high = stored_start[i], stored_start[i + 1]
        # Insertion sort: a customer has few changes, and they are nearly sorted already.
        for later in range(low + 1, high):
            entry, position = stored_order[later], later
            while position > low and stored_at[stored_order[position - 1]] > stored_at[entry]:
                stored_order[position] = stored_order[position - 1]
                position -= 1
            stored_order[position] = entry
        first, end = derived_start[i], derived_start[i + 1]
        for position in range(low, high):
            entry = stored_order[position]
            while first < end and derived_at[first] < stored_at[entry]:
                first += 1
            # Several changes can share a moment, so all of that moment are compared.
            candidate = first
            while candidate < end and derived_at[candidate] == stored_at[entry]:
                if missing[candidate] and derived[candidate] == stored[entry]:
                    missing[candidate] = obsolete[entry] = False
                    break
                candidate += 1
    return missing, obsolete
