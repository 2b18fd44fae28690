"""Behavior prediction keeps a fitted model; what it predicts of a visitor is never stored."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction
from config.foundation.personal_data.trained_models import register_trained_models

register_stores(
    MatchingTexts(
        "intent.runs", _("errors of behavior prediction"), "intent.IntentRun", "error", action=TextAction.MASK
    )
)
register_trained_models(
    "intent.IntentRun", _("behavior prediction"), trained_at="started_at", in_use={"status": "done"}
)
register_impersonal(
    table("intent.IntentRun"), reason="Weights over all sessions, and figures; refitted at the next training."
)
