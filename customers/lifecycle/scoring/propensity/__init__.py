"""Propensities: the probability that a customer churns, buys or responds.

Features, labels, models, explanations, metrics.
"""
