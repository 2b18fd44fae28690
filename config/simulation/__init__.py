"""Simulates a shop whose truth is known: tastes, purchase processes, deaths, campaign effects, demand. Written as files, or sent."""
