"""Counts what the groups of a campaign, flow, offer, experiment or holdout did, by intent to treat."""
