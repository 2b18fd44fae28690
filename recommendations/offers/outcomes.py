"""The possible outcomes of a decision for each offer."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Outcome(TextChoices):
    SHOWN = "shown", _("shown")
    HELD_OUT = "held_out", _("the visitor is in the holdout group")
    OTHER_SHOWN = "other_shown", _("an offer with a higher priority is shown")
    NOT_QUEUED = "not_queued", _("nobody has queued this offer for the customer")
    UNKNOWN_VISITOR = "unknown_visitor", _("the offer has a segment, and the visitor is not known")
    NOT_IN_SEGMENT = "not_in_segment", _("the customer is not in the segment")
    SHOWN_OFTEN = "shown_often", _("the visitor has reached today's limit for this offer")
    NO_CONTENT = "no_content", _("the offer has no content")
