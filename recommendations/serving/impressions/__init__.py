"""What was shown to whom: noted while answering, stored in bulk behind it, joined with what followed."""

from recommendations.serving.impressions.served_entry import Shown
from recommendations.serving.impressions.writer import note_shown

__all__ = ["Shown", "note_shown"]
