"""Searches of a tiny index that run every kernel once: compiling them takes seconds, which would delay a visitor's first search."""

import numpy as np

from recommendations.engine.text_search.documents import Documents
from recommendations.engine.text_search.index import TextIndex
from recommendations.engine.text_search.synonyms import Synonyms

TITLES = ("Stone kettle", "Stone paper towel", "Tin foil", "Kitchen roll of paper", "Ice cream", "热水壶")
# exact, unfinished, several words, a synonym of several words, misspelled, joined, split and Chinese
QUERIES = (
    "k1",
    "sto",
    "stone kettle",
    "kitchen roll",
    "stone papr towel",
    "papertowel",
    "tin foil",
    "icecream",
    "热水",
)


def warm_up_kernels() -> None:
    """Compile or load the kernels of searching, and of adding and merging changed documents."""
    documents = Documents(
        [[f"k{number}"] for number in range(len(TITLES))],
        {"title": TITLES, "head": TITLES, "category": ["Kitchen"] * len(TITLES)},
    )
    index = TextIndex.of(documents)
    changed = index.with_changes([0], next(documents.split(1)))
    synonyms = Synonyms.of([(("kitchen roll", "paper towel"), ()), (("tin foil", "aluminium foil", "foil"), ())])
    for some in (index, changed, changed.merge_segments()):
        allowed = np.ones(len(some), np.bool_)
        for query in QUERIES:
            scored = some.score(query, synonyms=synonyms, weights=lambda rows: np.ones(len(rows)))
            scored.find_matches(allowed)
            scored.find_rows(allowed)
        some.count_completions("s")
