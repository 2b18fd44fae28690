"""Splits of interactions into train and test data."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from recommendations.engine.data.id_map import IdMap
from recommendations.engine.data.interactions import KIND_CODES, Interactions


class EmptySplitError(ValueError):
    """A split with an empty side."""


@dataclass(frozen=True)
class Split:
    """train ends before test begins, for all users (time split) or per user (leave last out); row numbers are shared."""

    train: Interactions
    test: Interactions


def split_by_moment(interactions: Interactions, *, at: float, until: float | None = None) -> Split:
    """Split at a moment: train has order < at, as of `at`; test has at ≤ order < until, only users of train.

    Errors: EmptySplitError naming the empty side.
    """
    train = interactions.before(at)
    later = interactions.after(at) if until is None else interactions.after(at).before(until)
    known = np.bincount(train.user, minlength=train.n_users) > 0
    test = later.select(known[later.user])
    if not len(train) or not len(test):
        side = "train" if not len(train) else "test (of users who are in train)"
        raise EmptySplitError(f"at={at} leaves no interaction in {side}; orders go from {_format_range(interactions)}")
    return Split(train, test)


def leave_last_out(interactions: Interactions, *, last: int = 1) -> Split:
    """Split off the last interaction of each user with more than `last`; train is everything before it.

    `last`=2 takes the second-last interaction as test and drops the last one, which gives a validation split of the same data. If
    orders are equal, the line further down counts as the later one.
    """
    if last < 1:
        raise ValueError(f"last must be at least 1, got {last}")
    by_user = np.lexsort((interactions.order, interactions.user))
    users = interactions.user[by_user]
    lengths = np.bincount(interactions.user, minlength=interactions.n_users)
    # 1 for the last interaction of a user, 2 for the one before it.
    from_end = np.concatenate([[0], np.cumsum(lengths)])[users + 1] - np.arange(len(users))
    is_test = (from_end == last) & (lengths[users] > last)
    is_train = (from_end > last) | ((from_end == last) & (lengths[users] == last))
    if not is_test.any() or not is_train.any():
        raise EmptySplitError(f"no user has more than {last} interactions")
    return Split(interactions.select(np.sort(by_user[is_train])), interactions.select(np.sort(by_user[is_test])))


def leave_last_item_out(interactions: Interactions, *, kind: str) -> Split:
    """Split off each user's newest interaction of `kind`; train is all their interactions with other items.

    Published data sets with several behaviors are split this way: the test item is new to the user, and no earlier interaction
    with it reveals it. Users without another item stay in train with all their interactions. Errors: EmptySplitError.
    """
    lines = np.flatnonzero(interactions.kind == KIND_CODES[kind])
    by_user = lines[np.lexsort((interactions.order[lines], interactions.user[lines]))]
    users = interactions.user[by_user]
    newest = by_user[np.append(users[1:] != users[:-1], True)[: len(users)]]
    test_item = np.full(interactions.n_users, -1, np.int32)
    test_item[interactions.user[newest]] = interactions.item[newest]
    is_other = interactions.item != test_item[interactions.user]
    has_others = np.bincount(interactions.user[is_other], minlength=interactions.n_users) > 0
    test = newest[has_others[interactions.user[newest]]]
    if not len(test):
        raise EmptySplitError(f"no user has an interaction of kind {kind!r} and one with another item")
    return Split(interactions.select(is_other | ~has_others[interactions.user]), interactions.select(test))


def make_split(*, train: Interactions, test: Interactions) -> Split:
    """Build a split from parts that have their own ids; both are renumbered by the union of users and items.

    Errors: EmptySplitError when a part is empty or no user of test is in train. Users of test who are not in train stay: the
    protocols of published splits count them.
    """
    users, (train_user, test_user) = _merge_id_maps(train.users, test.users, train.user, test.user)
    items, (train_item, test_item) = _merge_id_maps(train.items, test.items, train.item, test.item)
    if not np.isin(test_user, train_user).any():
        raise EmptySplitError(
            f"no user of test is in train: {len(test)} interactions of {test.n_users} and {len(train)} of {train.n_users} users"
        )
    return Split(
        replace(train, user=train_user, item=train_item, users=users, items=items),
        replace(test, user=test_user, item=test_item, users=users, items=items),
    )


def hold_out(interactions: Interactions, *, share: float, seed: int) -> Split:
    """Split off a random `share` of each user's distinct items, rounded; at least one stays in train.

    All interactions of a user with an item go to the same side. For validation on data without timestamps.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, got {share}")
    pairs = interactions.user.astype(np.int64) * interactions.n_items + interactions.item
    distinct, pair = np.unique(pairs, return_inverse=True)
    users = distinct // max(1, interactions.n_items)
    # A random order within each user; its first n_test items are the test part.
    shuffled = np.lexsort((np.random.default_rng(seed).random(len(distinct)), users))
    counts = np.bincount(users, minlength=interactions.n_users)
    rank = np.arange(len(distinct)) - np.concatenate([[0], np.cumsum(counts)])[users[shuffled]]
    n_test = np.minimum(np.rint(counts * share), np.maximum(counts - 1, 0))
    is_test = np.zeros(len(distinct), np.bool_)
    is_test[shuffled] = rank < n_test[users[shuffled]]
    if not is_test.any():
        raise EmptySplitError(f"a share of {share} of each user's items is less than one item for every user")
    return Split(interactions.select(~is_test[pair]), interactions.select(is_test[pair]))


def make_rating_folds(interactions: Interactions, *, folds: int = 5, seed: int) -> list[Split]:
    """Return k splits in which every distinct (user, item) pair is in test once; sizes differ by at most one.

    All interactions of a pair go to the same side. A user or item may have nothing in train; they are evaluated nevertheless, with
    the algorithm's prediction for unknown users or items. Errors: ValueError; EmptySplitError for fewer pairs than folds.
    """
    if folds < 2:
        raise ValueError(f"folds must be at least 2, got {folds}")
    pairs = interactions.user.astype(np.int64) * interactions.n_items + interactions.item
    distinct, pair = np.unique(pairs, return_inverse=True)
    if len(distinct) < folds:
        raise EmptySplitError(f"{len(distinct)} distinct pairs of user and item cannot make {folds} folds")
    # Folds are dealt in turn before the permutation, so their sizes differ by at most one.
    fold = np.random.default_rng(seed).permutation(np.arange(len(distinct)) % folds)[pair]
    return [Split(interactions.select(fold != number), interactions.select(fold == number)) for number in range(folds)]


def _merge_id_maps(
    first: IdMap, second: IdMap, first_rows: npt.NDArray[np.int32], second_rows: npt.NDArray[np.int32]
) -> tuple[IdMap, tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]]:
    ids = first.get_ids(), second.get_ids()
    merged = IdMap.of([*ids[0], *ids[1]])
    return merged, (merged.get_rows(ids[0])[first_rows], merged.get_rows(ids[1])[second_rows])


def _format_range(interactions: Interactions) -> str:
    return f"{interactions.order.min()} to {interactions.order.max()}" if len(interactions) else "no interactions"
