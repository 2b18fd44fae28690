"""Admin of the stage rules: a form that makes a new version, with measured values shown with two digits."""

from itertools import pairwise
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.number_formats import round_for_reading
from customers.lifecycle.backoffice import stage_rules_page
from customers.lifecycle.models import StageRules
from customers.lifecycle.stages.rules import LEVELS, activate_rules, get_active_rules


class StageRulesForm(forms.ModelForm):
    """The form of the stage rules. It shows measured values with two digits; values that are not changed keep all of their digits.

    Saving creates a version that is effective from now unless the user changes the time.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current = get_active_rules() if self.instance.pk is None else None
        if current is not None:
            self.initial = {**forms.model_to_dict(current, fields=list(self.fields)), **self.initial}
        if "effective_from" in self.fields:
            self.initial["effective_from"] = timezone.now().replace(microsecond=0)
        self.exact = {name: value for name, value in self.initial.items() if isinstance(value, float)}
        self.initial.update({name: round_for_reading(value) for name, value in self.exact.items()})

    @cached_property
    def changed_data(self) -> list[str]:
        """The changed fields, without those submitted with the exact stored value."""
        names: list[str] = super().changed_data
        return [name for name in names if name not in self.exact or self[name].data != str(self.exact[name])]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        cleaned |= {
            name: value for name, value in self.exact.items() if name in cleaned and name not in self.changed_data
        }
        self._check_quantiles(cleaned)
        self._check_gaps(cleaned)
        quantile = cleaned.get("loyal_revenue_quantile")
        if quantile is not None and not 0 < quantile < 1:
            self.add_error("loyal_revenue_quantile", _("Enter a value between 0 and 1, such as 0.8."))
        return cleaned

    def _check_quantiles(self, cleaned: dict[str, Any]) -> None:
        active, dormant = cleaned.get("active_gap_days"), cleaned.get("dormant_gap_days")
        if active is not None and dormant is not None and dormant < active:
            self.add_error("dormant_gap_days", _("Enter a value that is at least the active gap."))
        for name in ("second_gap_days", "median_gap_days", "active_gap_days", "order_gap_days"):
            if cleaned.get(name) is not None and cleaned[name] <= 0:
                self.add_error(name, _("Enter more than 0 days."))
        if cleaned.get("churned_multiple") is not None and cleaned["churned_multiple"] < 1:
            self.add_error("churned_multiple", _("Enter 1 or more."))
        min_p_alive = cleaned.get("min_p_alive")
        if min_p_alive is not None and not 0 <= min_p_alive < 1:
            self.add_error("min_p_alive", _("Enter a probability from 0 to less than 1, such as 0.2."))

    def _check_gaps(self, cleaned: dict[str, Any]) -> None:
        """Require each level to be at least as strict as the one before."""
        for name in (f"{level}_{part}" for level in LEVELS for part in ("alarms", "share", "days")):
            value = cleaned.get(name)
            if value is None:
                continue
            if name.endswith("_alarms") and value <= 0:
                self.add_error(name, _("Enter more than 0, such as 0.25."))
            if name.endswith("_share") and not 0 < value <= 0.5:
                self.add_error(name, _("Enter a share from more than 0 to 0.5, such as 0.1."))
            if name.endswith("_days") and value < 0:
                self.add_error(name, _("Enter 0 days or more."))
        for earlier, later in pairwise(LEVELS):
            for part in ("alarms", "share"):
                low, high = cleaned.get(f"{later}_{part}"), cleaned.get(f"{earlier}_{part}")
                if low is not None and high is not None and low > high:
                    self.add_error(f"{later}_{part}", _("Enter a value that is at most that of the previous stage."))
            low, high = cleaned.get(f"{earlier}_days"), cleaned.get(f"{later}_days")
            if low is not None and high is not None and high < low:
                self.add_error(f"{later}_days", _("Enter a value that is at least that of the previous stage."))
        for name in ("guard_alive", "guard_churn"):
            if cleaned.get(name) is not None and not 0 <= cleaned[name] <= 1:
                self.add_error(name, _("Enter a probability from 0 to 1, such as 0.9."))

    def _get_validation_exclusions(self) -> set[str]:
        """Exclude from validation the fields that are set on saving."""
        return super()._get_validation_exclusions() | {"version", "is_active"}  # type: ignore[misc]

    def validate_constraints(self) -> None:
        """Do nothing: `clean` checks the same constraints and reports each at its field."""


@admin.register(StageRules)
class StageRulesAdmin(ModelAdmin):
    form = StageRulesForm
    change_form_template = "admin/lifecycle/stagerules/change_form.html"
    list_display = ["version_label", "is_active", "method", "effective_from", "measured_at", *(
        "second_gap", "median_gap", "loyal_orders", "loyal_revenue"
    )]  # fmt: skip
    readonly_fields = ["version", "created_at", "measured_at", "is_active"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "version",
                    "is_active",
                    "measured_at",
                    "created_at",
                    "effective_from",
                    "method",
                    "second_gap_days",
                    "median_gap_days",
                    "order_gap_days",
                    "loyal_orders",
                    "loyal_revenue",
                    "loyal_revenue_quantile",
                ]
            },
        ),
        (
            gettext_lazy("Method: false alarms per customer per year"),
            {
                "fields": [
                    *(f"{level}_{part}" for part in ("alarms", "share", "days") for level in LEVELS),
                    "guard_alive",
                    "guard_churn",
                ]
            },
        ),
        (
            gettext_lazy("Method: quantiles of gaps"),
            {
                "fields": [
                    "active_gap_days",
                    "dormant_gap_days",
                    "churned_multiple",
                    "min_p_alive",
                    "own_gaps_from_orders",
                ]
            },
        ),
    ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", view, name="lifecycle_stagerules_preview"), *super().get_urls()]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        return stage_rules_page.render_rules_preview(request, model_admin=self)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> StageRules | None:
        """Return the version, with rounded numbers if it is read-only."""
        rules: StageRules | None = super().get_object(request, object_id, from_field)
        if rules is not None and not self.has_change_permission(request, rules):
            for field in StageRules._meta.fields:
                value = getattr(rules, field.attname)
                if isinstance(value, float):
                    setattr(rules, field.attname, round_for_reading(value))
        return rules

    @display(description=gettext_lazy("median days to second order"), ordering="second_gap_days")
    def second_gap(self, rules: StageRules) -> float:
        return round_for_reading(rules.second_gap_days)

    @display(description=gettext_lazy("median gap in days"), ordering="median_gap_days")
    def median_gap(self, rules: StageRules) -> float:
        return round_for_reading(rules.median_gap_days)

    def has_delete_permission(self, request: HttpRequest, obj: StageRules | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: StageRules | None = None) -> bool:
        """Only the active version can be edited."""
        return super().has_change_permission(request, obj) and (obj is None or obj.is_active)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        current = get_active_rules()
        names = [name for _title, options in self.fieldsets for name in options["fields"]]
        editable = [name for name in names if name not in self.readonly_fields]
        known = {name: getattr(current, name) for name in editable} if current else {}
        return {**known, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: StageRules, form: forms.ModelForm, change: bool) -> None:
        if change and not set(form.changed_data) - {"effective_from"}:
            self.message_user(request, _("No changes, so no version was created."), messages.INFO)
            return
        rules = activate_rules(**form.cleaned_data)
        obj.pk, obj.version, obj.is_active = rules.pk, rules.version, True
        message = _("Version %(version)d is active. The next refresh applies it.")
        self.message_user(request, message % {"version": rules.version}, messages.SUCCESS)

    @display(description=gettext_lazy("version"), ordering="version")
    def version_label(self, rules: StageRules) -> str:
        return str(rules)
