"""The fields of segment conditions on what customers said last: the rating of a review, and answers to surveys."""

from django.utils.translation import gettext_lazy as _

from customers.feedback.models import Review, SurveyAnswer
from customers.segments.conditions.fields import ConditionField, FieldType, LatestRow, register_field

FEEDBACK = _("Feedback")
LATEST_REVIEW = LatestRow(Review, "written_at")
LATEST_NPS = LatestRow(SurveyAnswer, "answered_at", (("kind", SurveyAnswer.Kind.NPS.value),))
LATEST_CSAT = LatestRow(SurveyAnswer, "answered_at", (("kind", SurveyAnswer.Kind.CSAT.value),))

FEEDBACK_FIELDS = (
    ConditionField(
        "latest_rating",
        _("latest rating"),
        FEEDBACK,
        FieldType.INTEGER,
        lookup="rating",
        latest=LATEST_REVIEW,
        low=1,
        high=5,
        help=_("Stars of the customer's latest review, 1–5."),
    ),
    ConditionField(
        "latest_review_at",
        _("latest review written"),
        FEEDBACK,
        FieldType.MOMENT,
        lookup="written_at",
        latest=LATEST_REVIEW,
    ),
    ConditionField(
        "nps_score",
        _("NPS score"),
        FEEDBACK,
        FieldType.INTEGER,
        lookup="score",
        latest=LATEST_NPS,
        low=0,
        high=10,
        help=_("Latest answer to “would you recommend us?”: 0–6 are detractors, 9–10 promoters."),
    ),
    ConditionField(
        "nps_answered_at",
        _("NPS survey answered"),
        FEEDBACK,
        FieldType.MOMENT,
        lookup="answered_at",
        latest=LATEST_NPS,
    ),
    ConditionField(
        "csat_score",
        _("CSAT score"),
        FEEDBACK,
        FieldType.INTEGER,
        lookup="score",
        latest=LATEST_CSAT,
        low=1,
        high=5,
        help=_("Latest answer to “how satisfied are you?”, 1–5."),
    ),
    ConditionField(
        "csat_answered_at",
        _("CSAT survey answered"),
        FEEDBACK,
        FieldType.MOMENT,
        lookup="answered_at",
        latest=LATEST_CSAT,
    ),
)


def register_fields() -> None:
    for entry in FEEDBACK_FIELDS:
        register_field(entry)
