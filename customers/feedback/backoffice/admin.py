"""Admin pages of reviews and survey answers."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeNumericFilter
from unfold.decorators import display

from config.foundation.admin.model_admin import ModelAdmin, list_changed_fields
from config.foundation.number_formats import format_count
from customers.feedback.models import Review, SurveyAnswer
from customers.feedback.moderation import moderate_review, publish_reviews
from customers.identity.backoffice.audited_reads import AuditedReads
from customers.identity.backoffice.masked_search import MaskedSearch
from customers.identity.personal_data.masking import mask_text, may_see_personal

MAX_SHOWN_LENGTH = 80


class MaskedTextsAdmin(AuditedReads, MaskedSearch, ModelAdmin):
    """Masks what customers wrote: readers without access to personal data see columns and fields called ``masked_…``.

    A text that contains an address or a phone number cannot be edited by them, since saving it would replace these.
    """

    text_fields: ClassVar[tuple[str, ...]]
    shown_fields: ClassVar[dict[str, str]] = {}  # field → the field that is shown instead

    def get_list_display(self, request: HttpRequest) -> list[str]:
        names = [str(name) for name in super().get_list_display(request)]
        return [name.removeprefix("masked_") for name in names] if may_see_personal(request) else names

    def get_list_display_links(self, request: HttpRequest, list_display: Sequence[Any]) -> list[str]:
        links = super().get_list_display_links(request, list_display) or ()
        return [name for name in list_display if f"masked_{name.removeprefix('masked_')}" in links or name in links]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        hidden = self.list_hidden_fields(request, obj)
        fields = [field.name for field in self.opts.fields if field.editable and not field.auto_created]
        return [f"masked_{name}" if name in hidden else self.shown_fields.get(name, name) for name in fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        hidden = self.list_hidden_fields(request, obj)
        return [*map(str, super().get_readonly_fields(request, obj)), *(f"masked_{name}" for name in hidden)]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            self.save_changes(obj, form)
        else:
            super().save_model(request, obj, form, change)

    def save_changes(self, obj: Any, form: Any, *, also: Sequence[str] = ()) -> None:
        """Save the changed fields only: an erasure may have emptied the others since the form was read.

        Args:
            also: fields that depend on the changed ones.

        Raises:
            Http404: the text has been deleted, or its author erased.
        """
        stored = self.model._default_manager.select_for_update().filter(pk=obj.pk).first()
        if stored is None or (form.initial.get("customer") and stored.customer_id is None):
            raise Http404(f"The author of {obj._meta.verbose_name_raw} {obj.pk} has been erased.")
        if names := [*list_changed_fields(obj, form), *also]:
            obj.save(update_fields=names)

    def list_hidden_fields(self, request: HttpRequest, obj: Any) -> list[str]:
        """Return the texts of the object that this user may only see masked."""
        if obj is None or may_see_personal(request):
            return []
        return [name for name in self.text_fields if mask_text(getattr(obj, name)) != getattr(obj, name)]


class AnsweredFilter(admin.SimpleListFilter):
    """Reviews with or without a reply of the shop."""

    title = _("reply")
    parameter_name = "answered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("Not answered")), ("yes", _("Answered"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "no":
            return queryset.filter(reply="")
        return queryset.exclude(reply="") if self.value() == "yes" else queryset


@admin.register(Review)
class ReviewAdmin(MaskedTextsAdmin):
    list_per_page = 50
    text_fields = ("title", "body", "reply")
    shown_fields: ClassVar[dict[str, str]] = {"sentiment": "rounded_sentiment"}
    actions = ("publish", "hide")
    list_display = (
        "written_at",
        "stars",
        "masked_summary",
        "product",
        "customer",
        "rounded_sentiment",
        "contradicts",
        "is_published",
        "has_reply",
    )
    list_display_links = ("written_at", "masked_summary")
    list_select_related = ("product", "customer")
    list_filter = (
        "rating",
        AnsweredFilter,
        "contradicts",
        "is_published",
        "language",
        ("product", AutocompleteSelectFilter),
        ("product__category", AutocompleteSelectFilter),
    )
    search_fields = ("review_id", "title", "body", "product__product_id")
    masked_search_fields = ("title", "body")
    key_search_fields = ("review_id", "product__product_id")
    search_help_text = _("Search by text, review ID or product ID.")
    date_hierarchy = "written_at"
    autocomplete_fields = ("product",)
    raw_id_fields = ("customer",)
    readonly_fields = ("rounded_sentiment", "contradicts", "replied_at")
    ordering = ("-written_at", "-id")
    show_full_result_count = False
    list_filter_submit = True

    @display(description=_("rating"), ordering="rating")
    def stars(self, review: Review) -> str:
        return "★" * review.rating + "☆" * (5 - review.rating)

    @display(description=_("sentiment"), ordering="sentiment")
    def rounded_sentiment(self, review: Review) -> str:
        return "–" if review.sentiment is None else f"{review.sentiment:+.2f}".replace("-", "−")

    @display(description=_("review"))
    def summary(self, review: Review) -> str:
        return shorten_text(" – ".join(part for part in (review.title, review.body) if part))

    @display(description=_("review"))
    def masked_summary(self, review: Review) -> str:
        return shorten_text(" – ".join(mask_text(part) for part in (review.title, review.body) if part))

    @display(description=_("title"))
    def masked_title(self, review: Review) -> str:
        return mask_text(review.title)

    @display(description=_("text"))
    def masked_body(self, review: Review) -> str:
        return mask_text(review.body)

    @display(description=_("reply"))
    def masked_reply(self, review: Review) -> str:
        return mask_text(review.reply)

    @display(description=_("replied"), boolean=True, ordering="replied_at")
    def has_reply(self, review: Review) -> bool:
        return bool(review.reply)

    @admin.action(description=_("Publish the selected reviews"), permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        self.set_published(request, queryset, is_published=True)

    @admin.action(description=_("Hide the selected reviews"), permissions=["change"])
    def hide(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        self.set_published(request, queryset, is_published=False)

    def set_published(self, request: HttpRequest, queryset: QuerySet[Review], *, is_published: bool) -> None:
        changed = publish_reviews(ids=list(queryset.values_list("pk", flat=True)), is_published=is_published)
        text = (
            ngettext("%(count)s review was published.", "%(count)s reviews were published.", changed)
            if is_published
            else ngettext("%(count)s review was hidden.", "%(count)s reviews were hidden.", changed)
        )
        self.message_user(request, text % {"count": format_count(changed)})

    def save_model(self, request: HttpRequest, obj: Review, form: Any, change: bool) -> None:
        if change:
            moderate_review(review=obj, is_published=obj.is_published, reply=obj.reply, now=timezone.now())
            forget_sentiment(obj, changed=form.changed_data)
            self.save_changes(obj, form, also=("replied_at", "sentiment", "contradicts", "scored_at"))
            return
        if obj.reply:
            obj.replied_at = timezone.now()
        super().save_model(request, obj, form, change)


def forget_sentiment(review: Review, *, changed: Sequence[str]) -> None:
    """Remove what was computed from an earlier text or rating, so that it is computed again; as when the shop sends a changed review."""
    has_other_text = "title" in changed or "body" in changed
    if has_other_text:
        review.sentiment = None
    if has_other_text or "rating" in changed:
        review.contradicts, review.scored_at = False, None


def shorten_text(text: str) -> str:
    """Return the beginning of a text for a list."""
    return Truncator(text or "–").chars(MAX_SHOWN_LENGTH)


@admin.register(SurveyAnswer)
class SurveyAnswerAdmin(MaskedTextsAdmin):
    text_fields = ("comment",)
    list_display = ("answered_at", "kind", "score", "masked_short_comment", "customer")
    list_select_related = ("customer",)
    raw_id_fields = ("customer", "order")
    list_filter = ("kind", ("score", RangeNumericFilter))
    search_fields = ("comment",)
    masked_search_fields = ("comment",)
    date_hierarchy = "answered_at"
    show_full_result_count = False
    list_filter_submit = True

    @display(description=_("comment"))
    def short_comment(self, answer: SurveyAnswer) -> str:
        return shorten_text(answer.comment)

    @display(description=_("comment"))
    def masked_short_comment(self, answer: SurveyAnswer) -> str:
        return shorten_text(mask_text(answer.comment))

    @display(description=_("comment"))
    def masked_comment(self, answer: SurveyAnswer) -> str:
        return mask_text(answer.comment)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).order_by("-answered_at", "-id")
