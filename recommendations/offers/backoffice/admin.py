"""The form of an on-site offer; the list and the page of an offer are in pages.py."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.backoffice.shared_editing import OPENED_STATE_TEMPLATE, SharedEditingForm
from recommendations.offers.decision import clear_offer_cache
from recommendations.offers.editing import find_period_problem
from recommendations.offers.models import Offer, OfferContent


class OfferForm(SharedEditingForm):
    class Meta:
        # elsewhere in the back office, placements are those of recommendations
        labels: ClassVar[dict[str, str | Promise]] = {"placement": _("Place")}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if problem := find_period_problem(starts_at=values.get("starts_at"), ends_at=values.get("ends_at")):
            self.add_error("ends_at", str(problem))
        return values


class OfferContentForm(SharedEditingForm):
    def has_changed(self) -> bool:
        """Return whether anything was entered: the browser always sends a language, also for the empty block of a further one."""
        return super().has_changed() and (self.instance.pk is not None or self.changed_data != ["language"])


class OfferContentInline(StackedInline):
    model = OfferContent
    form = OfferContentForm
    extra = 1
    max_num = 2
    fields = (("language", "title"), "text", ("button", "url"), "image_url", "opened_state")


@admin.register(Offer)
class OfferAdmin(ModelAdmin):
    form = OfferForm
    change_form_before_template = OPENED_STATE_TEMPLATE
    inlines = (OfferContentInline,)
    autocomplete_fields = ("segment",)
    list_display = ("name", "placement", "segment", "status", "priority")
    list_filter = ("status", "placement")
    list_select_related = ("segment",)
    search_fields = ("key", "name")
    show_full_result_count = False
    fields = (
        "name",
        "key",
        "placement",
        "segment",
        "is_individual",
        ("starts_at", "ends_at"),
        ("priority", "max_shows_per_day"),
        "holdout_share",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Offer | None = None) -> tuple[str, ...]:
        return ("key",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Offer | None = None) -> dict[str, Any]:
        return {} if obj else {"key": ("name",)}

    def has_delete_permission(self, request: HttpRequest, obj: Offer | None = None) -> bool:
        """Allow only offers that were never started to be deleted: the results of the others must stay."""
        return (obj is None or obj.started_at is None) and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Offer, form: forms.ModelForm, change: bool) -> None:
        # no other fields, so that an offer that was paused or ended while it was edited does not run again
        obj.save(update_fields=list(form.cleaned_data) if change else None)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        clear_offer_cache()

    def response_add(self, request: HttpRequest, obj: Offer, post_url_continue: str | None = None) -> HttpResponse:
        response = super().response_add(request, obj, post_url_continue)
        return self._open_offer(request, obj, response)

    def response_change(self, request: HttpRequest, obj: Offer) -> HttpResponse:
        return self._open_offer(request, obj, super().response_change(request, obj))

    def _open_offer(self, request: HttpRequest, obj: Offer, response: HttpResponse) -> HttpResponse:
        """Show the offer after saving, unless another button was used."""
        if "_save" not in request.POST:
            return response
        return HttpResponseRedirect(reverse("onsite_offers:offer", args=[obj.pk]))
