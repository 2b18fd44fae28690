"""Demand is computed per product and stores nothing about people."""

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(
    table("demand.DemandSettings"),
    table("demand.DemandRun"),
    table("demand.DemandForecast"),
    table("demand.RestockItem"),
    reason="Sums of units per product and day; errors of the job name products only.",
)
