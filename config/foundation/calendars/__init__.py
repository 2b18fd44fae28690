"""Calendars of countries."""
