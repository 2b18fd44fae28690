"""Clusters of similar customers, tracked from run to run.

They are computed from features and named by their distinctive ones.
"""
