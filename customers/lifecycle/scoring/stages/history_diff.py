"""What changed between the changes of stage that are stored and those that are told: one pass, compiled by Numba."""

import numba
import numpy as np

from config.foundation.array_types import Flags, Ints

compiled = numba.njit(nogil=True, cache=True)


@compiled
def differences(
    told_start: Ints, told_at: Ints, told: Ints, stored_start: Ints, stored_order: Ints, stored_at: Ints, stored: Ints
) -> tuple[Flags, Flags]:
    """Which of the told, shape (t,), are not stored, and which of the stored, shape (s,), are not told.

    Customer i has told_start[i] to told_start[i + 1], by moment, and the stored stored_order[stored_start[i]] and so on in any order,
    which becomes that of their moments. A change is the same where moment and code are; what is stored of no customer is not told.
    """
    new, gone = np.ones(len(told_at), np.bool_), np.ones(len(stored_at), np.bool_)
    for i in range(len(told_start) - 1):
        low, high = stored_start[i], stored_start[i + 1]
        for later in range(low + 1, high):
            entry, place = stored_order[later], later
            while place > low and stored_at[stored_order[place - 1]] > stored_at[entry]:
                stored_order[place] = stored_order[place - 1]
                place -= 1
            stored_order[place] = entry
        first, end = told_start[i], told_start[i + 1]
        for place in range(low, high):
            entry = stored_order[place]
            while first < end and told_at[first] < stored_at[entry]:
                first += 1
            same = first
            while same < end and told_at[same] == stored_at[entry]:
                if new[same] and told[same] == stored[entry]:
                    new[same] = gone[entry] = False
                    break
                same += 1
    return new, gone
