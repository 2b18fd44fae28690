"""What was shown to whom: noted while answering, stored in bulk behind it, joined with what followed."""

from recommendations.serving.impressions.shown import Shown
from recommendations.serving.impressions.writing import note_shown

__all__ = ["Shown", "note_shown"]
