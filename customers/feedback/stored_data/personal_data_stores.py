"""What reviews and surveys store about people."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from psycopg import sql

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import Condition, CustomerRows
from config.foundation.personal_data.trained_models import register_trained_models


class ReviewRows(CustomerRows):
    """Reviews lose their author, text and ID: shops build IDs from user IDs, such as “review-of-household-7”."""

    def list_changes(self, people: Sequence[Person]) -> Condition | None:
        changes = super().list_changes(people)
        return (sql.SQL("{}, review_id = 'erased-' || t.id").format(changes[0]), changes[1]) if changes else None


register_stores(
    ReviewRows(
        "feedback.reviews",
        _("reviews"),
        "feedback.Review",
        blank={"customer_id": None, "title": "", "body": "", "reply": ""},
        hidden=("id", "customer", "contradicts", "scored_at"),
        kept=_("The rating of the product, without author and text."),
    ),
    CustomerRows(
        "feedback.surveys",
        _("survey answers"),
        "feedback.SurveyAnswer",
        blank={"customer_id": None, "comment": "", "link_id": None, "order_id": None},
        hidden=("id", "customer", "link_id"),
        kept=_("The score, without person and comment."),
    ),
)
register_trained_models(
    "feedback.SentimentModel",
    _("sentiment of reviews"),
    trained_at="trained_at",
    in_use={"is_used": True, "origin": "reviews"},
)
register_impersonal(
    table("feedback.SentimentModel"), reason="Weights of words in reviews; refitted at the next training."
)
