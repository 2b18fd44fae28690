"""Novelty at n: the self-information of the recommended products."""

import numpy as np
import numpy.typing as npt

from recommendations.engine.evaluation.ranking_metrics.hits import PerUser
from recommendations.engine.evaluation.ranking_metrics.ranked_lists import average_lists


def compute_novelty(items: npt.NDArray[np.int32], user_counts: npt.NDArray[np.integer], n_users: int) -> PerUser:
    """Return the mean of −log₂ p_i over the products of each list, with p_i = people_with[i] / n_people, in bits.

    items: int (users, n), -1 where a list was short. A product that no user has counts as if one user had it. NaN for an empty
    list. Sources: Zhou et al., PNAS 2010 (mean self-information); Vargas & Castells, RecSys 2011.
    """
    information = -np.log2(np.maximum(user_counts, 1) / max(n_users, 1))
    return average_lists(items, information)
