"""Admin pages of reviews and survey answers."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeNumericFilter
from unfold.decorators import display

from customers.feedback.models import Review, SurveyAnswer

MAX_SHOWN_LENGTH = 80


@admin.register(Review)
class ReviewAdmin(ModelAdmin):
    list_display = ("written_at", "stars", "summary", "product", "customer", "language", "sentiment", "contradicts")
    list_display_links = ("written_at", "summary")
    list_select_related = ("product", "customer")
    list_filter = ("rating", "contradicts", "language", ("product", AutocompleteSelectFilter))
    search_fields = ("review_id", "title", "body", "product__product_id")
    search_help_text = _("Search by text, review ID or product ID.")
    date_hierarchy = "written_at"
    autocomplete_fields = ("product",)
    raw_id_fields = ("customer",)
    readonly_fields = ("sentiment", "contradicts")
    show_full_result_count = False
    list_filter_submit = True

    @display(description=_("rating"), ordering="rating")
    def stars(self, review: Review) -> str:
        return "★" * review.rating + "☆" * (5 - review.rating)

    @display(description=_("review"))
    def summary(self, review: Review) -> str:
        return Truncator(" – ".join(part for part in (review.title, review.body) if part) or "–").chars(
            MAX_SHOWN_LENGTH
        )


@admin.register(SurveyAnswer)
class SurveyAnswerAdmin(ModelAdmin):
    list_display = ("answered_at", "kind", "score", "short_comment", "customer")
    list_select_related = ("customer",)
    list_filter = ("kind", ("score", RangeNumericFilter))
    search_fields = ("comment",)
    date_hierarchy = "answered_at"
    raw_id_fields = ("customer",)
    show_full_result_count = False
    list_filter_submit = True

    @display(description=_("comment"))
    def short_comment(self, answer: SurveyAnswer) -> str:
        return Truncator(answer.comment or "–").chars(MAX_SHOWN_LENGTH)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).order_by("-answered_at", "-id")
