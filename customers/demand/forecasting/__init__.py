"""The mathematics of demand: forecasts of many series at once, their intervals, reconciliation and restocking. No Django."""
