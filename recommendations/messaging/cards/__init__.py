"""Draws products as images, for rows whose products are chosen when a message is opened."""
