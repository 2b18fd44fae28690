"""Impressions: recorded with the response, stored in bulk, joined with clicks and purchases."""

from recommendations.serving.impressions.served_entry import ServedEntry
from recommendations.serving.impressions.writer import record_impression

__all__ = ["ServedEntry", "record_impression"]
