"""The pages Feedback: what customers think, and which products are reviewed worst and why."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.date_range import DateChoice, DayRange, parse_date_choice
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.charts.bars import build_bar_chart
from config.foundation.charts.spec import ChartSpec
from config.foundation.charts.timelines import build_line_chart
from config.foundation.number_formats import format_count, format_count_change, format_whole_percent
from customers.feedback.analysis.figures import get_feedback_figures, get_product_figures
from customers.feedback.analysis.products import RatedProduct
from customers.feedback.analysis.ratings import Ratings, WeekRatings, measure_ratings
from customers.feedback.analysis.satisfaction import DETRACTOR, PROMOTER, SATISFIED, Satisfaction
from customers.feedback.backoffice.review_links import make_reviews_url
from customers.feedback.backoffice.texts import (
    describe_effect,
    describe_estimate,
    describe_ratings,
    format_reasons,
    format_stars,
)
from customers.feedback.models import SentimentModel
from customers.feedback.phrases.log_odds import DistinctivePhrase
from customers.feedback.reviews import STARS
from customers.identity.backoffice.customer_links import make_customers_url

VIEW = "feedback.view_review"
N_WORST = 5
N_EXAMPLES = 10
PRODUCT_COLUMNS = (
    Column(key="product", label=gettext_lazy("product"), sort="title", align="text"),
    Column(key="average", label=gettext_lazy("average rating"), sort="average"),
    Column(key="count", label=gettext_lazy("reviews"), sort="count"),
    Column(key="low", label=gettext_lazy("1–2★"), sort="low"),
    Column(key="reasons", label=gettext_lazy("typical words of bad reviews"), align="text"),
)
ANSWER_COLUMNS = (
    Column(key="answer", label=gettext_lazy("answer"), align="text"),
    Column(key="count", label=gettext_lazy("answers")),
    Column(key="customers", label=gettext_lazy("customers"), align="text"),
)
PHRASE_COLUMNS = (
    Column(key="phrase", label=gettext_lazy("words"), align="text"),
    Column(key="texts", label=gettext_lazy("reviews")),
    Column(key="others", label=gettext_lazy("other reviews")),
)


def check_permission(request: HttpRequest) -> None:
    check_permissions(request, VIEW)


def build_answers_table(request: HttpRequest, satisfaction: Satisfaction, period: DayRange) -> Any:
    """Return how many customers gave which answers, with links to the customers whose latest answer it is."""
    may_see_customers = request.user.has_perm("identity.view_customer")

    def link(kind: str, low: int, high: int) -> str:
        days = [period.first.isoformat(), period.last.isoformat()]
        score = {"field": f"{kind}_score", "op": "between", "value": [low, high]}
        return make_customers_url({"all": [score, {"field": f"{kind}_answered_at", "op": "between", "value": days}]})

    rows = [
        (_("NPS: promoters (9–10)"), satisfaction.promoters, link("nps", PROMOTER, 10)),
        (_("NPS: passives (7–8)"), satisfaction.passives, link("nps", DETRACTOR + 1, PROMOTER - 1)),
        (_("NPS: detractors (0–6)"), satisfaction.detractors, link("nps", 0, DETRACTOR)),
        (_("CSAT: satisfied (4–5)"), satisfaction.satisfied, link("csat", SATISFIED, 5)),
        (_("CSAT: not satisfied (1–3)"), satisfaction.dissatisfied, link("csat", 1, SATISFIED - 1)),
    ]

    def format_row(row: tuple[str, int, str]) -> dict[str, Any]:
        label, count, url = row
        customers = Cell(_("Show customers"), url=url) if count and may_see_customers else None
        return {"answer": label, "count": format_count(count), "customers": customers}

    has_answers = any(count for _label, count, _url in rows)
    return build_table(
        request,
        rows if has_answers else [],
        id="answers",
        label=_("Survey answers"),
        columns=ANSWER_COLUMNS,
        format_row=format_row,
    )


def choose_dates(request: HttpRequest) -> DateChoice:
    """Return the period in the URL, by default 90 days; today is part of it."""
    return parse_date_choice(request.GET, today=localdate(), includes_today=True, default="90d")


def show_overview(request: HttpRequest) -> HttpResponse:
    """Show ratings, satisfaction, and whether customers order again after a bad review."""
    check_permission(request)
    choice = choose_dates(request)
    figures = get_feedback_figures(choice.range)
    worst = get_product_figures(choice.range).products[:N_WORST]
    before = measure_ratings(choice.compared) if choice.compared else None
    satisfaction = figures.satisfaction
    return render_page(
        request,
        "admin/feedback/overview.html",
        title=_("Feedback"),
        verdict=describe_ratings(figures.ratings, worst),
        as_of=figures.as_of,
        dates=choice,
        has_reviews=figures.ratings.count > 0,
        tiles=build_tiles(figures.ratings, before, choice.range),
        nps="–" if satisfaction.nps.value is None else format_count_change(round(satisfaction.nps.value)),
        nps_note=describe_estimate(satisfaction.nps, is_share=False),
        csat=format_whole_percent(satisfaction.csat.value),
        answers=build_answers_table(request, satisfaction, choice.range),
        csat_note=describe_estimate(satisfaction.csat, is_share=True),
        distribution=build_distribution_chart(figures.ratings, choice.range),
        trend=build_trend_chart(figures.weeks),
        worst=build_products_table(request, worst, id="worst", period=choice.range),
        complaints=build_phrases_table(request, figures.complaints, "complaints", choice.range),
        praise=build_phrases_table(request, figures.praise, "praise", choice.range),
        effect=describe_effect(figures.effect),
        contradicting_url=make_reviews_url(choice.range, contradicts__exact=1),
        contradicting=format_count(figures.ratings.contradicting),
        is_scored=SentimentModel.objects.filter(is_used=True).exists(),
    )


def build_tiles(ratings: Ratings, before: Ratings | None, period: DayRange) -> list[dict[str, str]]:
    """Return the average, the share of bad ratings, and the number of bad reviews without a reply."""
    share = ratings.low / ratings.count if ratings.count else None
    share_before = before.low / before.count if before and before.count else None
    interval = ratings.interval
    bounds = "" if interval is None else f"{interval.low:.2f}–{interval.high:.2f}"
    return [
        {
            "label": _("Average rating"),
            "value": format_stars(ratings.average),
            "before": format_stars(before.average) if before else "",
            "note": bounds,
            "url": make_reviews_url(period),
        },
        {
            "label": _("Share of 1–2★"),
            "value": format_whole_percent(share) or "–",
            "before": format_whole_percent(share_before) if before else "",
            "note": "",
            "url": make_reviews_url(period, rating__lte=2),
        },
        {
            "label": _("Bad reviews without a reply"),
            "value": format_count(ratings.unanswered),
            "before": "",
            "note": "",
            "url": make_reviews_url(period, answered="no", rating__lte=2),
        },
    ]


def build_distribution_chart(ratings: Ratings, period: DayRange, **filters: object) -> ChartSpec:
    """Return the number of reviews per rating; a bar opens its reviews, with who wrote them."""
    total = max(ratings.count, 1)
    return build_bar_chart(
        labels=[f"{star}★" for star in STARS],
        values=ratings.stars,
        texts=[f"{format_count(count)} ({format_whole_percent(count / total)})" for count in ratings.stars],
        links=[make_reviews_url(period, rating__exact=star, **filters) for star in STARS],
        x_title=_("Rating"),
        y_title=_("Reviews"),
    )


def build_trend_chart(weeks: Sequence[WeekRatings]) -> ChartSpec | None:
    """Return the mean rating of each week; None for fewer than two weeks."""
    if len(weeks) < 2:
        return None
    return build_line_chart(
        days=[week.week.isoformat() for week in weeks],
        values=[round(week.average, 2) for week in weeks],
        name=_("Average rating"),
    )


def build_products_table(request: HttpRequest, products: Sequence[RatedProduct], *, id: str, period: DayRange) -> Any:
    def format_row(product: RatedProduct) -> dict[str, Any]:
        days = f"?since={period.first}&until={period.last}"
        return {
            "product": Cell(
                product.title, url=reverse("feedback:product", args=[product.id]) + days, title=product.product_id
            ),
            "average": format_stars(product.average),
            "count": Cell(format_count(product.count), url=make_reviews_url(period, product__id__exact=product.id)),
            "low": Cell(
                format_count(product.low),
                url=make_reviews_url(period, product__id__exact=product.id, rating__lte=2) if product.low else "",
            ),
            "reasons": format_reasons(product.reasons) or None,
        }

    return build_table(
        request, products, id=id, label=_("Worst-rated products"), columns=PRODUCT_COLUMNS, format_row=format_row
    )


def build_phrases_table(
    request: HttpRequest, phrases: Sequence[DistinctivePhrase], id: str, period: DayRange, **filters: object
) -> Any:
    def format_row(phrase: DistinctivePhrase) -> dict[str, Any]:
        return {
            "phrase": Cell(phrase.text, url=make_reviews_url(period, q=phrase.text, **filters)),
            "texts": format_count(phrase.texts),
            "others": format_count(phrase.other_texts),
        }

    return build_table(request, phrases, id=id, label=_("Words"), columns=PHRASE_COLUMNS, format_row=format_row)
