"""The questions by key. A new question needs its file, an entry here and its tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ibis.expr.types as ir
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.analytics.expressions.parameters import ParameterError
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.outcomes.parameters import OutcomeParameters
from customers.analytics.outcomes.registry import MEASURES
from customers.analytics.questions import (
    activity,
    affinity,
    funnel,
    paths,
    products,
    repeat,
    retention,
    sessions,
    trends,
)


@dataclass(frozen=True)
class Question:
    """A kind of question.

    Attributes:
        parameters, result, selection: the dataclasses of what is asked, of the answer, and of one figure in it.
        run: answers it. people: returns the customer_id of those behind a figure.
        reads_catalog: whether the answer depends on the costs or categories of products.
    """

    key: str
    label: str | Promise
    parameters: type[Any]
    result: type[Any]
    selection: type[Any]
    run: Callable[[AnalyticsTables, Any], Any]
    people: Callable[[AnalyticsTables, Any, Any], ir.Table]
    reads_catalog: bool = False


QUESTIONS: dict[str, Question] = {
    question.key: question
    for question in (
        Question(
            "funnel",
            _("Funnel"),
            funnel.FunnelParameters,
            funnel.FunnelResult,
            funnel.FunnelSelection,
            funnel.run_funnel,
            funnel.select_funnel_people,
        ),
        Question(
            "retention",
            _("Retention"),
            retention.RetentionParameters,
            retention.RetentionResult,
            retention.RetentionSelection,
            retention.run_retention,
            retention.select_retention_people,
        ),
        Question(
            "paths",
            _("Paths"),
            paths.PathParameters,
            paths.PathResult,
            paths.PathSelection,
            paths.run_paths,
            paths.select_path_people,
        ),
        Question(
            "trends",
            _("Trends"),
            trends.TrendParameters,
            trends.TrendResult,
            trends.TrendSelection,
            trends.run_trends,
            trends.select_trend_people,
        ),
        Question(
            "sessions",
            _("Sessions"),
            sessions.SessionParameters,
            sessions.SessionResult,
            sessions.SessionSelection,
            sessions.run_sessions,
            sessions.select_session_people,
        ),
        Question(
            "activity",
            _("Activity"),
            activity.ActivityParameters,
            activity.ActivityResult,
            activity.ActivitySelection,
            activity.run_activity,
            activity.select_activity_people,
        ),
        Question(
            "stickiness",
            _("Stickiness"),
            activity.StickinessParameters,
            activity.StickinessResult,
            activity.StickinessSelection,
            activity.run_stickiness,
            activity.select_stickiness_people,
        ),
        Question(
            "products",
            _("Product performance"),
            products.ProductParameters,
            products.ProductResult,
            products.ProductSelection,
            products.run_products,
            products.select_product_people,
            reads_catalog=True,
        ),
        Question(
            "affinity",
            _("Bought together"),
            affinity.AffinityParameters,
            affinity.AffinityResult,
            affinity.AffinitySelection,
            affinity.run_affinity,
            affinity.select_affinity_people,
            reads_catalog=True,
        ),
        Question(
            "repeat",
            _("First purchases"),
            repeat.FirstPurchaseParameters,
            repeat.FirstPurchaseResult,
            repeat.FirstPurchaseSelection,
            repeat.run_repeat,
            repeat.select_repeat_people,
            reads_catalog=True,
        ),
        *(
            Question(
                measure.question,
                measure.label,
                OutcomeParameters,
                measure.result,
                measure.selection,
                measure.run,
                measure.people,
            )
            for measure in MEASURES.values()
        ),
    )
}


def get_question(key: str) -> Question:
    """Return the question of a key. Raises ParameterError."""
    if key not in QUESTIONS:
        raise ParameterError("question", f"{key!r} is not valid; valid: {', '.join(QUESTIONS)}.")
    return QUESTIONS[key]
