"""What lifecycle computes about people."""

from collections.abc import Sequence

from django.db import connection
from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import CustomerRows
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction
from config.foundation.personal_data.trained_models import register_trained_models
from customers.lifecycle.refresh.profile_lock import PROFILE_LOCK_KEY


class ProfileRows(CustomerRows):
    """Profiles; erasing waits for a running refresh to end, which would write them again."""

    def erase(self, people: Sequence[Person]) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [PROFILE_LOCK_KEY])
        return super().erase(people)


register_stores(
    ProfileRows("lifecycle.profiles", _("customer profile"), "lifecycle.CustomerProfile", hidden=("customer",)),
    CustomerRows("lifecycle.transitions", _("stage changes"), "lifecycle.StageTransition", hidden=("id", "customer")),
    CustomerRows("lifecycle.sessions", _("counted sessions"), "lifecycle.CountedSession", is_exported=False),
    CustomerRows("lifecycle.pending", _("profiles to recalculate"), "lifecycle.PendingRecount", is_exported=False),
    MatchingTexts(
        "lifecycle.runs", _("errors of refreshes"), "lifecycle.LifecycleRun", "error", action=TextAction.MASK
    ),
)
register_trained_models("lifecycle.ScoreModel", _("predictions of purchases, churn and value"), trained_at="run__as_of")
register_impersonal(
    table("lifecycle.StageRules"),
    table("lifecycle.ScoreModel"),
    table("lifecycle.LifecycleRun"),
    reason="Thresholds, parameters and counts over all customers; the models are refitted by the next refresh.",
)
