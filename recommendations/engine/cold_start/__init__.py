"""People without a history: see `model.ColdStart`."""

from recommendations.engine.cold_start.cold_start_model import CLUSTER, LANDING, POPULARITY, TRAIT, Arrivals, ColdStart
from recommendations.engine.cold_start.customer_traits import (
    COUNTRY,
    DEVICE,
    LANGUAGE,
    People,
    banded,
    field_of,
    field_value,
    plain_value,
    quantile_edges,
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
    "Arrivals",
    "ColdStart",
    "LandingPopularity",
    "People",
    "TraitClusters",
    "TraitLifts",
    "banded",
    "field_of",
    "field_value",
    "plain_value",
    "quantile_edges",
]
