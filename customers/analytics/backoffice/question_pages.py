"""The registry of pages of questions: a new one has its fields, its result and a line here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.analytics.backoffice.building.question_forms import FORMS, QuestionForm
from customers.analytics.backoffice.results.funnel import list_funnel_rows, show_funnel
from customers.analytics.backoffice.results.paths import list_path_rows, show_paths
from customers.analytics.backoffice.results.products import list_product_rows, show_products
from customers.analytics.backoffice.results.retention import list_retention_rows, show_retention
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
            _("Which ways do people take through the shop?"),
            FORMS["paths"],
            show_paths,
            list_path_rows,
            {"range": "28d", "levels": 3, "top": 5},
        ),
        QuestionPage(
            "trends",
            "trends",
            _("Trends"),
            _("How does a number develop over time?"),
            FORMS["trends"],
            show_trends,
            list_trend_rows,
            {"range": "90d", "series": [{"event": {"meaning": "purchase"}}], "interval": "day"},
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
    )
}
