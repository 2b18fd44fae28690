"""The form of a campaign: audience, message, schedule and measurement."""

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from django import forms
from django.core import signing
from django.utils.text import capfirst, slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from config.foundation.backoffice.shared_editing import SharedEditingForm
from customers.segments.models import Segment
from recommendations.campaigns.backoffice.labels import WEEKDAYS
from recommendations.campaigns.keys import find_free_key
from recommendations.campaigns.launch.readiness import LaunchProblem, check_test_settings
from recommendations.campaigns.locked_fields import get_locked_fields
from recommendations.campaigns.models import MAX_TEST_HOURS, Campaign
from recommendations.messaging.models import MessageTemplate

SECTIONS = {
    "audience": ("segment", "excluded_segments", "required_consent"),
    "message": ("channel", "template", "is_transactional", "priority"),
    "test": ("test_template", "test_percent", "test_hours", "test_metric"),
    "schedule": (
        *("kind", "starts_at", "frequency", "weekdays", "month_day", "send_time", "ends_on", "uses_customer_time"),
    ),
    "measurement": ("holdout_percent", "goal", "attribution_days"),
}
PERCENTAGES = {"holdout_share": "holdout_percent", "test_share": "test_percent"}  # fields that are shown in percent
SIGNATURE_SALT = "campaigns.new_campaign"
DATE_TIME_FORMAT = "%Y-%m-%dT%H:%M"  # of <input type="datetime-local">


class CampaignForm(SharedEditingForm):
    """A campaign in the back office; times are those of the shop's time zone."""

    name = forms.CharField(label=gettext_lazy("name"), max_length=200, widget=UnfoldAdminTextInputWidget)
    segment = forms.ModelChoiceField(
        label=gettext_lazy("segment"),
        queryset=Segment.objects.order_by("name"),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("Who gets the message."),
    )
    excluded_segments = forms.ModelMultipleChoiceField(
        label=gettext_lazy("excluded segments"),
        queryset=Segment.objects.order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    template = forms.ModelChoiceField(
        label=gettext_lazy("message"),
        queryset=MessageTemplate.objects.filter(archived_at__isnull=True).order_by("name"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("Each run sends the version that is published when the run starts."),
    )
    test_template = forms.ModelChoiceField(
        label=gettext_lazy("message B"),
        queryset=MessageTemplate.objects.filter(archived_at__isnull=True).order_by("name"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy(
            "Part of the audience gets the message above (A) or this one (B), half each. The rest waits and gets the winner. "
            "To test a subject, copy the message and change its subject."
        ),
    )
    test_percent = forms.DecimalField(
        label=gettext_lazy("test in percent of the audience"),
        min_value=Decimal(1),
        max_value=Decimal(90),
        max_digits=4,
        decimal_places=2,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"step": "any"}),
        help_text=gettext_lazy("20 sends message A to 10% and message B to 10% of the audience."),
    )
    test_hours = forms.IntegerField(
        label=gettext_lazy("hours to wait"),
        min_value=1,
        max_value=MAX_TEST_HOURS,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=gettext_lazy(
            "Reactions count within this time after each message. The winner is sent this long after the last message of the test."
        ),
    )
    test_metric = forms.ChoiceField(
        label=gettext_lazy("what decides the test"),
        choices=Campaign.TestMetric,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    kind = forms.ChoiceField(label=gettext_lazy("type"), choices=Campaign.Kind, widget=forms.RadioSelect)
    starts_at = forms.DateTimeField(
        label=gettext_lazy("start"),
        required=False,
        input_formats=[DATE_TIME_FORMAT, "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=DATE_TIME_FORMAT),
        help_text=gettext_lazy("Leave empty to send as soon as the campaign is launched."),
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("days of the week"),
        choices=list(enumerate(WEEKDAYS, start=1)),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    send_time = forms.TimeField(
        label=gettext_lazy("time of day"), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    ends_on = forms.DateField(
        label=gettext_lazy("last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Leave empty to send until the campaign is canceled."),
    )
    holdout_percent = forms.DecimalField(
        label=gettext_lazy("holdout group in percent"),
        min_value=Decimal(0),
        max_value=Decimal(90),
        max_digits=4,
        decimal_places=2,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"step": "any"}),
        help_text=gettext_lazy(
            "This share of the audience, chosen at random, does not get the message. Comparing both groups shows the effect of the message."
        ),
    )

    signed_salt = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Campaign
        fields = [
            *("name", "description", "segment", "excluded_segments", "required_consent", "channel", "template"),
            *("is_transactional", "priority", "kind", "starts_at", "frequency", "weekdays", "month_day", "send_time"),
            *(
                "ends_on",
                "uses_customer_time",
                "goal",
                "attribution_days",
                "test_template",
                "test_hours",
                "test_metric",
            ),
        ]
        widgets = {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            "required_consent": UnfoldAdminSelectWidget,
            "channel": UnfoldAdminSelectWidget,
            "is_transactional": UnfoldBooleanWidget,
            "priority": UnfoldAdminSelectWidget,
            "frequency": UnfoldAdminSelectWidget,
            "month_day": UnfoldAdminIntegerFieldWidget,
            "uses_customer_time": UnfoldBooleanWidget,
            "goal": UnfoldAdminSelectWidget,
            "attribution_days": UnfoldAdminIntegerFieldWidget,
        }
        help_texts = {
            "uses_customer_time": gettext_lazy(
                "Customers whose time zone is unknown get the message at the shop's time. "
                "A campaign that is sent as soon as it is launched reaches everybody at the same moment."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            self._keep_salt()
        for name in ("channel", "kind", "frequency", "goal", "required_consent", "test_metric"):
            self.capitalize_choices(name)
        share = Decimal(str(self.instance.holdout_share)) * 100
        self.fields["holdout_percent"].initial = f"{share.normalize():f}"
        self.fields["test_percent"].initial = f"{(Decimal(str(self.instance.test_share)) * 100).normalize():f}"
        self.locked = get_locked_fields(self.instance) if self.instance.pk else ()
        for name in self.locked:
            field = self.fields.get(PERCENTAGES.get(name, name))
            if field is not None:
                field.disabled = True

    def mark_problems(self, problems: Sequence[LaunchProblem]) -> None:
        """Mark the fields of a saved draft that have to be changed before its launch; the form has not been posted."""
        self.full_clean()
        self.cleaned_data = {}  # `add_error` expects it
        for problem in problems:
            name = PERCENTAGES.get(problem.field, problem.field)
            self.add_error(name if name in self.fields else None, problem.message)

    def capitalize_choices(self, name: str) -> None:
        field: Any = self.fields[name]
        field.choices = [(value, capfirst(str(label))) for value, label in field.choices]

    def _keep_salt(self) -> None:
        """Give a new campaign the holdout group that its review has shown; the salt is signed, so users cannot choose one."""
        with suppress(signing.BadSignature):
            self.instance.salt = signing.loads(self.data.get("signed_salt", ""), salt=SIGNATURE_SALT)
        self.fields["signed_salt"].initial = signing.dumps(self.instance.salt, salt=SIGNATURE_SALT)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        segment, excluded = cleaned.get("segment"), cleaned.get("excluded_segments")
        if segment is not None and excluded is not None and segment in excluded:
            self.add_error("excluded_segments", _("The segment of the campaign cannot be excluded."))
        if (
            cleaned.get("kind") == Campaign.Kind.RECURRING
            and cleaned.get("frequency") == Campaign.Frequency.WEEKLY
            and "weekdays" in cleaned
            and not cleaned["weekdays"]
        ):
            self.add_error("weekdays", _("Choose at least one day of the week."))
        self._clean_test(cleaned)
        return cleaned

    def _clean_test(self, cleaned: dict[str, Any]) -> None:
        """Check the settings of the A/B test; those left empty keep their values."""
        for name in ("test_hours", "test_metric"):
            if name in cleaned and cleaned[name] in (None, ""):
                cleaned[name] = getattr(self.instance, name)
        if {"kind", "channel", "template", "test_template", "test_metric"} - set(cleaned):
            return  # one of them has an error of its own
        problems = check_test_settings(
            kind=cleaned["kind"],
            channel=cleaned["channel"],
            template=cleaned["template"],
            test_template=cleaned["test_template"],
            test_metric=cleaned["test_metric"],
        )
        for problem in problems:
            self.add_error(problem.field, problem.message)

    def save(self, commit: bool = True) -> Campaign:
        campaign: Campaign = super().save(commit=False)
        campaign.holdout_share = self.cleaned_data["holdout_percent"] / 100
        if self.cleaned_data["test_percent"] is not None:
            campaign.test_share = self.cleaned_data["test_percent"] / 100
        if not campaign.key:
            campaign.key = find_free_key(slugify(campaign.name)[:90] or "campaign")
        if commit:
            campaign.save()
            self.save_m2m()
        return campaign

    def get_sections(self) -> dict[str, list[forms.BoundField]]:
        return {section: [self[name] for name in names] for section, names in SECTIONS.items()}
