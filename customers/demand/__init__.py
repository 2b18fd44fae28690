"""Demand: series of sales, forecasts and the restock list."""
