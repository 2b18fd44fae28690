"""A worker answers a few requests before it is ready, so that visitors wait for no kernel."""

import sys
from typing import Any

import pytest
from numba.core.dispatcher import Dispatcher

from recommendations.serving.impressions.writer import process_queue
from recommendations.serving.rank import RankRequest, rank_products
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.search.search import search
from recommendations.serving.search.searcher import Searcher, warm_up_search
from recommendations.serving.state.loader import StateLoader
from recommendations.serving.warm_up import try_warm_up
from recommendations.training.models import ModelVersion
from tests.makers import NOON


def list_compiled() -> set[tuple[str, str, str]]:
    """Return the module, name and types of each kernel that is compiled in this process."""
    return {
        (name, kernel.__name__, str(signature))
        for name, module in list(sys.modules.items())
        if name.startswith("recommendations.")
        for kernel in vars(module).values()
        if isinstance(kernel, Dispatcher)
        for signature in kernel.signatures
    }


def test_requests_use_only_kernels_that_the_warm_up_compiled(
    trained: ModelVersion, loader: StateLoader, caplog: pytest.LogCaptureFixture
) -> None:
    # run alone, this finds every kernel that the warm-up misses; after other tests, those that they miss too
    loader.warm_up = try_warm_up
    waiting = len(process_queue.writer.waiting)
    state = loader.get_state(now=NOON)
    assert (caplog.text, loader.warm_up, len(process_queue.writer.waiting)) == ("", None, waiting)
    searcher = Searcher(source=loader, background=False)
    snapshot = searcher.get_snapshot(now=NOON)
    warm_up_search(snapshot)
    before = list_compiled()
    arguments: dict[str, Any] = {"now": NOON, "source": loader}
    product_ids = list(state.products.product_ids)
    for placement in ("for-you", "similar", "cart", "bought-together", "buy-again", "popular", "new"):
        for user_id in ("user-1", "nobody"):
            request = RecommendationRequest(placement, user_id=user_id, product_ids=product_ids[:1], n=4)
            recommend(request=request, **arguments)
    assert rank_products(request=RankRequest(product_ids, user_id="user-0"), **arguments).items
    for query in ("tea", "black tee", "coffe", "green tea"):
        search(SearchRequest(query, language="en"), snapshot=snapshot)
    assert list_compiled() == before
