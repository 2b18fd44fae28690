"""The category tree by depth, for facets and suggestions."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recommendations.engine.text_search.synonyms import Synonyms, split_into_terms

MAX_KEPT_QUERIES = 1000


@dataclass(frozen=True, eq=False)
class CategoryLevels:
    """The category tree by depth.

    at[k][code]: index in paths of the ancestor at depth k, -1 without one. by_term: indexes of the paths whose last name contains a term;
    by_name: of those whose last name has these terms and no other.
    """

    paths: list[str]
    at: list[npt.NDArray[np.int32]]
    by_term: Mapping[str, list[int]] = field(default_factory=dict)
    by_name: Mapping[frozenset[str], list[int]] = field(default_factory=dict)
    _named: dict[Hashable, Sequence[npt.NDArray[np.bool_]]] = field(default_factory=dict)

    @classmethod
    def build(cls, categories: Mapping[str, int]) -> "CategoryLevels":
        """Build the levels of the categories, by path with their codes."""
        # a copy of the items, because a refresh of the catalog may add categories meanwhile
        split = [(path.split(" > "), code) for path, code in list(categories.items())]
        depth = max((len(parts) for parts, _ in split), default=0)
        index_by_path: dict[str, int] = {}
        at = [np.full(len(split) + 1, -1, np.int32) for _ in range(depth)]  # the last entry is for code -1
        for parts, code in split:
            for level in range(len(parts)):
                at[level][code] = index_by_path.setdefault(" > ".join(parts[: level + 1]), len(index_by_path))
        by_term: dict[str, list[int]] = {}
        by_name: dict[frozenset[str], list[int]] = {}
        for path, index in index_by_path.items():
            terms = split_into_terms(path.rpartition(" > ")[2])
            for term in terms:
                by_term.setdefault(term, []).append(index)
            by_name.setdefault(frozenset(terms), []).append(index)
        return cls(list(index_by_path), at, by_term, by_name)

    def find_named(self, query: str, synonyms: Synonyms, *, key: Hashable) -> Sequence[npt.NDArray[np.bool_]]:
        """Return which category codes are in each category whose last name is the query; without one, a synonym of it.

        A name has the same words and no others. key: of the query and the synonyms, to keep the result for the next one.
        """
        named = self._named.get(key)
        if named is None:
            if len(self._named) >= MAX_KEPT_QUERIES:
                self._named.clear()
            typed, *others = synonyms.list_names(query)
            indexes = self.by_name.get(typed) or dict.fromkeys(
                index for name in others for index in self.by_name.get(name, ())
            )
            named = self._named[key] = [self.at[self.paths[index].count(" > ")][:-1] == index for index in indexes]
        return named
