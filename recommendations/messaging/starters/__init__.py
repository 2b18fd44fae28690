"""Ready-made templates, which recipes of flows and new campaigns use by their keys."""

from recommendations.messaging.starters.installation import ensure_starter_templates

__all__ = ["ensure_starter_templates"]
