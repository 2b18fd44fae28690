"""Serving: recommendations, rankings and searches from arrays that all workers share."""
