"""Back office of the records: processing activities with their assessment, recipients, transfers and breaches."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from config.foundation.admin.model_admin import ModelAdmin
from customers.identity.models import Consent
from customers.policy.models import Breach, DataRecipient, ProcessingActivity, Transfer
from customers.policy.records.breaches import count_affected, describe_clock


class RecordAdmin(ModelAdmin):
    """What all records have in common."""

    list_per_page = 50
    formfield_overrides = {models.TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 4})}}


class ActivityForm(forms.ModelForm):
    consent_purposes = forms.MultipleChoiceField(
        label=_("consents"), choices=Consent.Purpose.choices, required=False, widget=forms.CheckboxSelectMultiple
    )


@admin.register(ProcessingActivity)
class ProcessingActivityAdmin(RecordAdmin):
    form = ActivityForm
    list_display = ["name", "lawful_basis", "is_profiling", "risk", "reviewed_at", "is_active"]
    list_filter = ["lawful_basis", "is_profiling", "risk", "is_active"]
    search_fields = ["name", "purpose"]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    *(
                        "name",
                        "purpose",
                        "lawful_basis",
                        "consent_purposes",
                        "people",
                        "data",
                        "recipients",
                        "transfers",
                    ),
                    *("retention", "security", "is_active"),
                )
            },
        ),
        (
            _("Impact assessment"),
            {
                "fields": (*("is_profiling", "necessity", "risks", "measures", "risk", "reviewed_at", "reviewed_by"),),
                "description": _(
                    "Required for profiling and automated decisions: rate the remaining risk and review it every year."
                ),
            },
        ),
    ]


@admin.register(DataRecipient)
class RecipientAdmin(RecordAdmin):
    list_display = ["name", "role", "task", "country", "safeguard", "is_active"]
    list_filter = ["role", "safeguard", "is_active"]
    search_fields = ["name", "task"]


@admin.register(Transfer)
class TransferAdmin(RecordAdmin):
    list_display = ["recipient", "country", "purpose", "mechanism", "needs_consent", "valid_until", "is_active"]
    list_filter = ["mechanism", "is_active"]
    list_select_related = ["recipient"]
    search_fields = ["country", "purpose"]


@admin.register(Breach)
class BreachAdmin(RecordAdmin):
    list_display = [
        "title",
        "known_at",
        "people_affected",
        "authority_notified_at",
        "people_notified_at",
        "clock",
        "closed_at",
    ]
    list_filter = ["is_risky", "is_very_risky"]
    search_fields = ["title"]
    autocomplete_fields = ["segment"]
    readonly_fields = ["clock", "recorded_by"]
    fieldsets = [
        (None, {"fields": ("title", "description", "happened_at", "known_at", "clock")}),
        (_("People affected"), {"fields": ("data", "segment", "people_affected", "consequences", "measures")}),
        (
            _("Notifications"),
            {
                "fields": (
                    *(
                        "is_risky",
                        "is_very_risky",
                        "reasons",
                        "authority_notified_at",
                        "authority_reference",
                        "people_notified_at",
                    ),
                    *("closed_at", "recorded_by"),
                )
            },
        ),
    ]

    @admin.display(description=_("next step"))
    def clock(self, obj: Breach) -> str:
        return describe_clock(obj, now=timezone.now()) if obj.known_at else ""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the record of a breach must stay

    def save_model(self, request: HttpRequest, obj: Breach, form: Any, change: bool) -> None:
        if not change:
            obj.recorded_by = request.user.get_username()
        if "segment" in form.changed_data:
            obj.people_affected = count_affected(obj, now=timezone.now())
        super().save_model(request, obj, form, change)
