"""The registry of question pages: a new one needs its fields, its result and an entry here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.analytics.backoffice.building.question_forms import FORMS, QuestionForm
from customers.analytics.backoffice.results.activity import (
    list_activity_rows,
    list_stickiness_rows,
    show_activity,
    show_stickiness,
)
from customers.analytics.backoffice.results.funnel import list_funnel_rows, show_funnel
from customers.analytics.backoffice.results.paths import list_path_rows, show_paths
from customers.analytics.backoffice.results.products import list_product_rows, show_products
from customers.analytics.backoffice.results.purchases import (
    list_affinity_rows,
    list_repeat_rows,
    show_affinity,
    show_repeat,
)
from customers.analytics.backoffice.results.retention import list_retention_rows, show_retention
from customers.analytics.backoffice.results.sessions import list_session_rows, show_sessions
from customers.analytics.backoffice.results.trends import list_trend_rows, show_trends
from customers.analytics.backoffice.results.view import ResultContext, ResultView


@dataclass(frozen=True)
class QuestionPage:
    """The page of a question.

    Attributes:
        tab: of the area Analytics. purpose: what the page answers. show: returns a result as the page shows it. list_rows: for CSV.
        start: the parameters with which the page opens.
    """

    question: str
    tab: str
    label: str | Promise
    purpose: str | Promise
    form: QuestionForm
    show: Callable[[Any, ResultContext], ResultView]
    list_rows: Callable[[Any, ResultContext], Iterator[list[Any]]]
    start: dict[str, Any]


QUESTION_PAGES: dict[str, QuestionPage] = {
    page.question: page
    for page in (
        QuestionPage(
            "funnel",
            "funnels",
            _("Funnels"),
            _("Where do people leave on the way to an order?"),
            FORMS["funnel"],
            show_funnel,
            list_funnel_rows,
            {"range": "90d", "steps": [{"meaning": "view"}, {"meaning": "cart"}, {"meaning": "purchase"}]},
        ),
        QuestionPage(
            "retention",
            "retention",
            _("Retention"),
            _("Who comes back, and when?"),
            FORMS["retention"],
            show_retention,
            list_retention_rows,
            {
                "range": "365d",
                "cohort": "first_order",
                "returning": {"meaning": "purchase"},
                "interval": "month",
                "periods": 6,
            },
        ),
        QuestionPage(
            "paths",
            "paths",
            _("Paths"),
            _("Which paths do people take through the shop?"),
            FORMS["paths"],
            show_paths,
            list_path_rows,
            {"range": "28d", "levels": 3, "top": 5},
        ),
        QuestionPage(
            "trends",
            "trends",
            _("Trends"),
            _("How does a metric change over time?"),
            FORMS["trends"],
            show_trends,
            list_trend_rows,
            {"range": "90d", "series": [{"event": {"meaning": "purchase"}}], "interval": "day"},
        ),
        QuestionPage(
            "sessions",
            "sessions",
            _("Sessions"),
            _("How often do people come, how long do they stay, and how many sessions lead to an order?"),
            FORMS["sessions"],
            show_sessions,
            list_session_rows,
            {"range": "28d", "goal": {"meaning": "purchase"}},
        ),
        QuestionPage(
            "activity",
            "activity",
            _("Activity"),
            _("How many people are new, stay, come back or stop coming?"),
            FORMS["activity"],
            show_activity,
            list_activity_rows,
            {"range": "90d", "interval": "week"},
        ),
        QuestionPage(
            "stickiness",
            "stickiness",
            _("Stickiness"),
            _("On how many days of a week or month are people active?"),
            FORMS["stickiness"],
            show_stickiness,
            list_stickiness_rows,
            {"range": "28d", "interval": "week"},
        ),
        QuestionPage(
            "products",
            "products",
            _("Products"),
            _("What is viewed, bought and returned, and what does it earn?"),
            FORMS["products"],
            show_products,
            list_product_rows,
            {"range": "90d", "limit": 50},
        ),
        QuestionPage(
            "affinity",
            "affinity",
            _("Bought together"),
            _("What do the same people buy?"),
            FORMS["affinity"],
            show_affinity,
            list_affinity_rows,
            {"range": "365d", "level": "product", "sort": "people"},
        ),
        QuestionPage(
            "repeat",
            "repeat",
            _("First purchases"),
            _("After which first purchase do people order again?"),
            FORMS["repeat"],
            show_repeat,
            list_repeat_rows,
            {"range": "365d", "level": "category", "within_days": 90, "sort": "people"},
        ),
    )
}
