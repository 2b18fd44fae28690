"""What else to try: a corrected query, longer words, categories that are called so, popular products where nothing was found."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from recommendations.engine.text_search import Matches
from recommendations.engine.text_search.synonyms import terms_of
from recommendations.engine.text_search.tokens import normal, runs
from recommendations.serving.search.snapshot import Snapshot

FEW_PRODUCTS = 5  # found: with fewer, categories and products are suggested too
MOST_OF_A_KIND = 5


class Placed(Protocol):
    @property
    def row(self) -> int: ...


@dataclass(frozen=True)
class Suggestion:
    """kind: query, category or product; text: what to show; value: what to send as q, as category or as product_ids."""

    kind: str
    text: str
    value: str


def suggestions_for(
    *, snapshot: Snapshot, query: str, matches: Matches | None, total: int, popular: Sequence[Placed]
) -> list[Suggestion]:
    if matches is None:
        return []
    found = [Suggestion("query", text, text) for text in queries(snapshot, query, matches)]
    if total < FEW_PRODUCTS:
        found += [Suggestion("category", path, path) for path in categories(snapshot, query, matches)]
    for hit in popular[:MOST_OF_A_KIND]:
        if (card := snapshot.shelf.cards[hit.row]) is not None:
            found.append(Suggestion("product", card.title, card.product_id))
    return found


def queries(snapshot: Snapshot, query: str, matches: Matches) -> list[str]:
    """The corrected query; else the query with its last word completed."""
    if matches.corrected:
        return [matches.corrected]
    if not matches.beginnings:
        return []
    whole = normal(query)
    last = list(runs(whole))[-1]
    longer = snapshot.texts.index.completions(matches.beginnings[-1], n=MOST_OF_A_KIND)
    return [f"{whole[: last.start]}{word}" for word in longer]


def categories(snapshot: Snapshot, query: str, matches: Matches) -> list[str]:
    """Paths whose last name holds a word that was looked for, those that hold most of them and little else first."""
    levels = snapshot.levels
    hits = Counter(place for term in {*matches.words, *terms_of(query)} for place in levels.named.get(term, ()))
    ranked = sorted(hits, key=lambda place: (-hits[place], len(levels.paths[place].rpartition(" > ")[2]), place))
    return [levels.paths[place] for place in ranked[:MOST_OF_A_KIND]]
