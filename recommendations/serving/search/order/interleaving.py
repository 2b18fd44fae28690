"""Merge the pages of two orders of search results by team draft, and remember which order contributed each product."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from config.foundation.array_types import Rows
from recommendations.measurement.statistics.interleaving import NEITHER, interleave_rankings
from recommendations.serving.search.order.weights import OrderWeights
from recommendations.serving.search.ranking import SearchHit


@dataclass(frozen=True)
class SecondOrder:
    """The order of the variant, and the seed of the coins, which is the same for all pages of a search."""

    weights: OrderWeights
    seed: int


@dataclass(frozen=True)
class InterleavedHits:
    """One page of the merged list, the order that contributed each hit, and whether more follow."""

    hits: list[SearchHit]
    teams: tuple[int, ...]
    has_more: bool


def interleave_hits(
    rank: Callable[[OrderWeights, int], tuple[list[SearchHit], bool]],
    orders: tuple[OrderWeights, OrderWeights],
    *,
    offset: int,
    n: int,
    seed: int,
    groups: Rows | None,
) -> InterleavedHits:
    """Return the page from ``offset`` on of the list that both orders contribute to.

    rank: returns the first hits by an order, and whether more follow. groups: by catalog row; of a group, one product is shown. Pinned
    products keep their positions and belong to neither.
    """
    end = offset + n
    (first, has_more), (second, _has_more) = (rank(weights, end) for weights in orders)
    lists = [key_hits(hits, groups) for hits in (first, second)]
    merged = interleave_rankings(list(lists[0]), list(lists[1]), end, seed=seed)
    others = iter([
        (lists[max(team, 0)].get(key) or lists[1][key], team)
        for key, team in zip(merged.products, merged.teams, strict=True)
    ])  # fmt: skip
    pinned = {hit.rank: hit for hit in first if hit.pinned}
    whole: list[tuple[SearchHit, int]] = []
    for rank_number in range(1, len(first) + 1):
        pin = pinned.get(rank_number)
        pair = (pin, NEITHER) if pin is not None else next(others, None)
        if pair is None:
            break
        whole.append((pair[0]._replace(rank=rank_number), pair[1]))
    page = whole[offset:end]
    return InterleavedHits([hit for hit, _team in page], tuple(team for _hit, team in page), has_more)


def key_hits(hits: Sequence[SearchHit], groups: Rows | None) -> dict[int, SearchHit]:
    """Return the hits that no rule pinned by their group, or their row without groups."""
    return {hit.row if groups is None else int(groups[hit.row]): hit for hit in hits if not hit.pinned}
