"""The keys of campaigns and flows for their links; both packages register here, because sending does not import them."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

type KeyFinder = Callable[[Collection[int]], Mapping[int, str]]
type Origin = tuple[str, int]

_finders: dict[str, KeyFinder] = {}


def register_key_finder(origin_kind: str, find_keys: KeyFinder) -> None:
    """Register the function that finds the keys of a kind of origin by ID."""
    _finders[origin_kind] = find_keys


def find_origin_keys(origins: Iterable[Origin]) -> dict[Origin, str]:
    """Return the key of each origin's campaign or flow with one query per kind; unknown ones are missing."""
    ids: dict[str, set[int]] = defaultdict(set)
    for kind, origin_id in origins:
        ids[kind].add(origin_id)
    return {
        (kind, origin_id): key
        for kind, wanted in ids.items()
        if kind in _finders
        for origin_id, key in _finders[kind](wanted).items()
    }
