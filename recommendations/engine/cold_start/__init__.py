"""Recommendations for users without a history; see `ColdStart`."""

from recommendations.engine.cold_start.cold_start_model import (
    CLUSTER,
    LANDING,
    POPULARITY,
    TRAIT,
    ColdStart,
    NewVisitors,
)
from recommendations.engine.cold_start.customer_traits import (
    COUNTRY,
    DEVICE,
    LANGUAGE,
    CustomerTraits,
    assign_bands,
    compute_quantile_edges,
    get_trait_field,
    make_trait,
    normalize_trait_value,
)
from recommendations.engine.cold_start.landing_category import LandingPopularity
from recommendations.engine.cold_start.trait_clusters import TraitClusters
from recommendations.engine.cold_start.trait_lifts import TraitLifts

__all__ = [
    "CLUSTER",
    "COUNTRY",
    "DEVICE",
    "LANDING",
    "LANGUAGE",
    "POPULARITY",
    "TRAIT",
    "ColdStart",
    "CustomerTraits",
    "LandingPopularity",
    "NewVisitors",
    "TraitClusters",
    "TraitLifts",
    "assign_bands",
    "compute_quantile_edges",
    "get_trait_field",
    "make_trait",
    "normalize_trait_value",
]
