"""Clusters of similar customers: computed from features, named by their distinctive features and tracked from run to run."""
