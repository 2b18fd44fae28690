"""What comes later is added: the same as learning everything anew."""

import numpy as np
import pytest

from recommendations.engine.algorithms.popularity.popularity import Popularity
from tests.recommendations.engine.makers import make_products, make_random_interactions


@pytest.mark.parametrize("half_life_days", [None, 0.001, 30.0])
@pytest.mark.parametrize("parts", [(0.5,), (0.2, 0.7), (0.0001, 0.999)])
def test_updated_equals_a_full_fit(half_life_days: float | None, parts: tuple[float, ...]) -> None:
    everything = make_random_interactions()
    products = make_products(everything.n_items)
    whole = Popularity(half_life_days=half_life_days).fit(everything, products)
    first, last = everything.order.min(), everything.order.max()
    moments = [first + part * (last - first) + 1e-6 for part in parts]
    model = Popularity(half_life_days=half_life_days).fit(everything.before(moments[0]), products)
    for since, until in zip(moments, [*moments[1:], None], strict=True):
        news = everything.after(since) if until is None else everything.before(until).after(since)
        model = model.updated(news, since=since)
    np.testing.assert_allclose(model.counts_, whole.counts_, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model.category_, whole.category_)
