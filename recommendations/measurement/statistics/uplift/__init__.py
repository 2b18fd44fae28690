"""Uplift: for whom a treatment changes the outcome.

Learners estimate the effect per customer from a randomized treatment; the Qini curve says how good a ranking by it is; targeting picks
whom to treat.
"""
