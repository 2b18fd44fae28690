"""Imports events from JSON Lines files and web server access logs, by the same rules as the HTTP collector."""
