"""Predictions for a session from its events so far: the mathematics, without Django."""
