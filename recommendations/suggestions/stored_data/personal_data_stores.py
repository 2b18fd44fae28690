"""Declares that decisions on suggestions contain no personal data."""

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(
    table("suggestions.SuggestionDecision"), reason="What staff decided about suggestions, with figures of groups."
)
