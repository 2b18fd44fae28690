"""Past and future: what an algorithm may learn from and what it is judged by."""

from dataclasses import dataclass

import numpy as np

from recommendations.engine.interactions import Interactions


class EmptySplitError(ValueError):
    """A cut that leaves nothing on one side."""


@dataclass(frozen=True)
class Split:
    """train ends before test begins, for everyone (a cut in time) or for each person (leave last out); row numbers are shared."""

    train: Interactions
    test: Interactions


def cut_in_time(interactions: Interactions, *, at: float, until: float | None = None) -> Split:
    """train: order < at, seen as of `at`. test: at ≤ order < until, of people who are in train.

    Errors: EmptySplitError naming the empty side.
    """
    train = interactions.before(at)
    later = interactions.after(at) if until is None else interactions.after(at).before(until)
    known = np.bincount(train.user, minlength=train.n_users) > 0
    test = later.subset(known[later.user])
    if not len(train) or not len(test):
        side = "train" if not len(train) else "test (of people who are in train)"
        raise EmptySplitError(f"at={at} leaves no interaction in {side}; orders go from {_range(interactions)}")
    return Split(train, test)


def leave_last_out(interactions: Interactions, *, last: int = 1) -> Split:
    """test: the last interaction of each person who has more than `last`; train: everything before it. `last`=2 takes the
    second-last one as test and drops the last one, which is how validation is cut from the same data.

    Of equal orders the later line is the later one.
    """
    if last < 1:
        raise ValueError(f"last must be at least 1, got {last}")
    by_user = np.lexsort((interactions.order, interactions.user))
    users = interactions.user[by_user]
    lengths = np.bincount(interactions.user, minlength=interactions.n_users)
    from_end = np.concatenate([[0], np.cumsum(lengths)])[users + 1] - np.arange(len(users))
    is_test = (from_end == last) & (lengths[users] > last)
    is_train = (from_end > last) | ((from_end == last) & (lengths[users] == last))
    if not is_test.any() or not is_train.any():
        raise EmptySplitError(f"nobody has more than {last} interactions")
    return Split(interactions.subset(np.sort(by_user[is_train])), interactions.subset(np.sort(by_user[is_test])))


def _range(interactions: Interactions) -> str:
    return f"{interactions.order.min()} to {interactions.order.max()}" if len(interactions) else "nothing to nothing"
