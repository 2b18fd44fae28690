"""Impressions: recorded while responding, stored in bulk afterwards, and joined with later clicks and purchases."""

from recommendations.serving.impressions.served_entry import ServedEntry
from recommendations.serving.impressions.writer import record_impression

__all__ = ["ServedEntry", "record_impression"]
