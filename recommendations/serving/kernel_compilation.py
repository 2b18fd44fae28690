"""Compile the kernels of the collector, refresh, training, serving and search into the disk cache, from made-up purchases and views.

A new installation compiles them once, which takes one to two minutes of one processor. `compile_kernels` needs no database, so that it can
run while the first data are loaded.
"""

import numpy as np

from customers.events.collector.scanning.scanned_events import event_scanner
from customers.lifecycle.kernel_compilation import compile_kernels as compile_refresh_kernels
from recommendations.engine import Interactions, Products
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.interactions import KIND_CODES
from recommendations.engine.online.context import Workspace
from recommendations.engine.online.ensemble_scorer import OnlineEnsemble
from recommendations.engine.variety.product_groups import ProductGroups
from recommendations.serving.search.index.warm_up import warm_up_kernels as warm_up_search_kernels
from recommendations.serving.state.compiled_blends import select_once
from recommendations.training.evaluation.latency import measure_latency
from recommendations.training.tuning.model_choice import fit_components
from recommendations.training.tuning.search_space import describe_starts

USERS, ITEMS, ENTRIES, DAYS = 40, 30, 600, 60.0
SEED = 1


def compile_kernels() -> None:
    """Compute profiles, fit all algorithms on made-up data, score with their ensemble, and search.

    What is not in the cache is compiled and saved.
    """
    event_scanner.load()
    compile_refresh_kernels()  # before the others, because the first data need them first
    warm_up_search_kernels()
    interactions, products = make_interactions(), make_products()
    components = describe_starts()
    fitted = fit_components(components, interactions, products)
    for component in fitted.values():
        component.learn_support(interactions)
    blend = WeightedEnsemble.of_fitted(fitted, dict.fromkeys(fitted, 1.0 / len(fitted)), "max")
    histories = interactions.build_histories()
    measure_latency(model=blend, histories=histories, seed=SEED)
    for component in fitted.values():
        component.score_item(histories, 0)  # the audience of a product
    ensemble = OnlineEnsemble(blend, ITEMS)
    select_once(ensemble, histories.slice_rows(0, 1), Workspace(ITEMS, ensemble.width))
    ProductGroups.from_parents(np.arange(ITEMS, dtype=np.int32) // 2, None).warm_up()


def make_interactions() -> Interactions:
    """Return random purchases and views of USERS customers over DAYS days."""
    rng = np.random.default_rng(SEED)
    return Interactions.from_ids(
        user_ids=rng.integers(USERS, size=ENTRIES),
        item_ids=rng.integers(ITEMS, size=ENTRIES),
        order=np.sort(rng.uniform(0, DAYS * 86_400, ENTRIES)).round(-3),
        kind=np.where(rng.random(ENTRIES) < 0.7, KIND_CODES["purchase"], KIND_CODES["view"]).astype(np.int8),
    )


def make_products() -> Products:
    """Return ITEMS products with titles and categories of a few words."""
    words = ("green", "black", "tea", "milk", "bread", "cold")
    titles = [f"{words[row % 6]} {words[row % 5]} {row}" for row in range(ITEMS)]
    return Products.of_columns({"title": titles, "category": [words[row % 4] for row in range(ITEMS)]})
