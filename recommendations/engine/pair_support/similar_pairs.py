"""Which products may be called similar to others, for many queries at once; serving decides the same for one request."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.linear_algebra.sparse import make_csr, replace_data
from recommendations.engine.pair_support.support import PairCounts, PairSupport, SupportLevel


def find_similar(content: Content, supports: Sequence[PairSupport], given: csr_array, *, minimum: int) -> csr_array:
    """Return CSR (rows, items) of ones: the items that may be called similar to one of the stored columns of each row of `given`.

    Their contents are close, or the pair is OFTEN chosen together by one of the supports. minimum: the orders or people of OFTEN.
    """
    n_items = given.shape[1]
    given = replace_data(given, np.ones(given.nnz))
    neighbors, document = content.neighbors_, content.document_
    shape = (n_items, neighbors.shape[0])
    item_documents = make_csr(np.ones(n_items), document.astype(np.int32), np.arange(n_items + 1), shape)
    near = given @ item_documents @ replace_data(neighbors, np.ones(neighbors.nnz))
    # A neighbor stands for all items with its text.
    similar = csr_array(near @ item_documents @ item_documents.T)
    for support in supports:
        level = PairCounts(support.orders, support.people, support.lift).grade(minimum)
        is_often = (level == SupportLevel.OFTEN).astype(np.float32)
        similar = csr_array(similar + given @ make_csr(is_often, support.indices, support.indptr, (n_items, n_items)))
    similar.eliminate_zeros()
    return replace_data(similar, np.ones(similar.nnz))
