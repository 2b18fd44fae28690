"""Shared parts of the algorithms that score only the items of the history itself."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import Algorithm, Attribution
from recommendations.engine.data.histories import Histories


class OwnItemsAlgorithm(Algorithm):
    """An algorithm whose score of an item depends only on the history's interactions with that item."""

    @abstractmethod
    def score(self, histories: Histories) -> csr_array:
        """Return CSR (n, n_items) with entries for items of the history only."""

    def score_item(self, histories: Histories, item: int) -> npt.NDArray[np.float32]:
        """Return the scores of one item, computed from the interactions with that item only."""
        scores = self.score(histories.select_entries(histories.item == item))
        return scores[:, [item]].toarray().ravel()

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        scores = self.score(history)
        is_own = scores.indices[:, None] == np.asarray(items)[None, :]
        return [Attribution(self.name, scores.indices, is_own * scores.data[:, None])]
