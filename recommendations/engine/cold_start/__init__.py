"""People without a history: see `model.ColdStart`."""

from recommendations.engine.cold_start.clusters import TraitClusters
from recommendations.engine.cold_start.landing import LandingPopularity
from recommendations.engine.cold_start.lifts import TraitLifts
from recommendations.engine.cold_start.model import CLUSTER, LANDING, POPULARITY, TRAIT, Arrivals, ColdStart
from recommendations.engine.cold_start.people import (
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
