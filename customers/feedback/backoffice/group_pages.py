"""The pages of products and categories: which are reviewed worst, and what customers write about one of them."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.categories import format_path
from catalog.models import Category, Product
from config.foundation.backoffice.date_range import DayRange
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_day
from customers.feedback.analysis.categories import BY_CATEGORY, MIN_CATEGORY_REVIEWS, RatedCategory
from customers.feedback.analysis.figures import get_category_figures, get_group_figures, get_product_figures
from customers.feedback.analysis.products import MIN_REVIEWS
from customers.feedback.backoffice.pages import (
    build_distribution_chart,
    build_phrases_table,
    build_products_table,
    check_permission,
    choose_dates,
)
from customers.feedback.backoffice.review_links import make_reviews_url
from customers.feedback.backoffice.texts import describe_ratings, describe_worst, format_reasons, format_stars
from customers.feedback.models import Review
from customers.identity.personal_data.masking import mask_text

CATEGORY_COLUMNS = (
    Column(key="category", label=gettext_lazy("category"), sort="path", align="text"),
    Column(key="average", label=gettext_lazy("average rating"), sort="average"),
    Column(key="count", label=gettext_lazy("reviews"), sort="count"),
    Column(key="low", label=gettext_lazy("1–2★"), sort="low"),
    Column(key="products", label=gettext_lazy("reviewed products"), sort="products"),
    Column(key="reasons", label=gettext_lazy("typical words of bad reviews"), align="text"),
)


def show_products(request: HttpRequest) -> HttpResponse:
    """Show the products that are reviewed worst, and why."""
    check_permission(request)
    choice = choose_dates(request)
    figures = get_product_figures(choice.range)
    worst = figures.products
    return render_page(
        request,
        "admin/feedback/products.html",
        title=_("Worst-rated products"),
        verdict=describe_worst(worst[0]) if worst else "",
        as_of=figures.as_of,
        dates=choice,
        least=MIN_REVIEWS,
        products=build_products_table(request, worst, id="products", period=choice.range),
    )


def show_categories(request: HttpRequest) -> HttpResponse:
    """Show the categories that are reviewed worst, and why."""
    check_permission(request)
    choice = choose_dates(request)
    figures = get_category_figures(choice.range)
    worst = figures.categories
    return render_page(
        request,
        "admin/feedback/categories.html",
        title=_("Worst-rated categories"),
        verdict=describe_worst(worst[0]) if worst else "",
        as_of=figures.as_of,
        dates=choice,
        least=MIN_CATEGORY_REVIEWS,
        categories=build_categories_table(request, worst, period=choice.range),
    )


def build_categories_table(request: HttpRequest, categories: Sequence[RatedCategory], *, period: DayRange) -> Any:
    def format_row(category: RatedCategory) -> dict[str, Any]:
        days = f"?since={period.first}&until={period.last}"
        filters: dict[str, object] = {"product__category__id__exact": category.id}
        low_url = make_reviews_url(period, rating__lte=2, **filters) if category.low else ""
        return {
            "category": Cell(format_path(category.path), url=reverse("feedback:category", args=[category.id]) + days),
            "average": format_stars(category.average),
            "count": Cell(format_count(category.count), url=make_reviews_url(period, **filters)),
            "low": Cell(format_count(category.low), url=low_url),
            "products": format_count(category.products),
            "reasons": format_reasons(category.reasons) or None,
        }

    return build_table(
        request,
        categories,
        id="categories",
        label=_("Worst-rated categories"),
        columns=CATEGORY_COLUMNS,
        format_row=format_row,
    )


def show_product(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what customers write about one product."""
    check_permission(request)
    product = get_object_or_404(Product, pk=pk)
    return show_reviewed(
        request,
        title=product.title,
        by="product_id",
        pk=pk,
        reviews_filter="product__id__exact",
        all_reviews=_("All reviews of the product"),
    )


def show_category(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what customers write about the products of one category."""
    check_permission(request)
    category = get_object_or_404(Category, pk=pk)
    return show_reviewed(
        request,
        title=format_path(category.path),
        by=BY_CATEGORY,
        pk=pk,
        reviews_filter="product__category__id__exact",
        all_reviews=_("All reviews of the category"),
    )


def show_reviewed(
    request: HttpRequest, *, title: str, by: str, pk: int, reviews_filter: str, all_reviews: str
) -> HttpResponse:
    """Show what customers write about a product or a category. by: the lookup from a review to its key."""
    choice = choose_dates(request)
    period = choice.range
    figures = get_group_figures(period, by=by, pk=pk)
    ratings = figures.ratings
    filters: dict[str, object] = {reviews_filter: pk}
    return render_page(
        request,
        "admin/feedback/product.html",
        title=title,
        verdict=describe_ratings(ratings, ()),
        as_of=figures.as_of,
        dates=choice,
        distribution=build_distribution_chart(ratings, period, **filters) if ratings.count else None,
        complaints=build_phrases_table(request, figures.complaints, "complaints", period, **filters),
        praise=build_phrases_table(request, figures.praise, "praise", period, **filters),
        examples=list_examples(figures.examples),
        reviews_url=make_reviews_url(period, **filters),
        all_reviews=all_reviews,
    )


def list_examples(ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return reviews to quote, without the addresses and phone numbers in them."""
    reviews = Review.objects.in_bulk(ids)
    return [
        {
            "stars": "★" * review.rating + "☆" * (5 - review.rating),
            "day": format_day(review.written_at),
            "text": mask_text(" – ".join(part for part in (review.title, review.body) if part)),
            "reply": mask_text(review.reply),
            "url": reverse("admin:feedback_review_change", args=[review.pk]),
        }
        for review in (reviews[key] for key in ids if key in reviews)
    ]
