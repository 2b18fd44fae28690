"""The consent settings: what applies in each region without an entry in the ledger, and how many customers each setting affects."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Exists, OuterRef
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import format_count, format_moment
from config.foundation.processes.background_tasks import start_task
from config.foundation.slow_figures import get_figures
from customers.identity.consent.regions import (
    DEFAULT_OPT_IN,
    OTHER,
    REGION_LABELS,
    ConsentRules,
    Purpose,
    build_rules,
    forget_consent_rules,
    load_consent_settings,
)
from customers.identity.models import Consent, ConsentSettings, Customer
from customers.policy.preferences.wordings import WORDINGS
from customers.policy.tasks import apply_consent_settings

PERMISSION = "identity.change_consentsettings"
MAX_COUNTRIES = 100


class ConsentRulesForm(forms.Form):
    """One box for each region and purpose, the countries added to a region, and the region of customers without a country."""

    unknown_region = forms.ChoiceField(
        label=gettext_lazy("customers whose country is unknown"),
        choices=list(REGION_LABELS.items()),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy(
            "Includes unknown visitors. Choose your own region if most of your visitors come from it; the script on the "
            "site then needs data-consent=required."
        ),
    )

    def __init__(self, *args: Any, stored: ConsentSettings, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rules = build_rules(stored)
        self.initial["unknown_region"] = rules.unknown
        for region, label in REGION_LABELS.items():
            for purpose in Purpose:
                name = f"{region}-{purpose.value}"
                self.fields[name] = forms.BooleanField(required=False, label=str(WORDINGS[purpose].label))
                self.initial[name] = purpose in rules.opt_in[region]
            if region != OTHER:
                self.fields[f"{region}-countries"] = forms.CharField(
                    required=False,
                    max_length=2000,
                    label=_("further countries of “%(region)s”") % {"region": label},
                    help_text=_("Names or codes separated by commas, spelled as in your orders, such as Jersey, GG."),
                    widget=UnfoldAdminTextInputWidget,
                )
                self.initial[f"{region}-countries"] = ", ".join(stored.countries.get(region, []))

    def list_rows(self) -> list[dict[str, Any]]:
        """Return a row of boxes for each purpose."""
        return [
            {"label": WORDINGS[purpose].label, "boxes": [self[f"{region}-{purpose.value}"] for region in REGION_LABELS]}
            for purpose in Purpose
        ]

    def list_other_fields(self) -> list[forms.BoundField]:
        return [self["unknown_region"], *(self[name] for name in self.fields if name.endswith("-countries"))]

    def save(self, stored: ConsentSettings) -> None:
        values = self.cleaned_data
        stored.opt_in = {
            region: [purpose.value for purpose in Purpose if values[f"{region}-{purpose.value}"]]
            for region in REGION_LABELS
        }
        stored.countries = {
            region: [name.strip() for name in values[f"{region}-countries"].split(",") if name.strip()][:MAX_COUNTRIES]
            for region in REGION_LABELS
            if region != OTHER
        }
        stored.unknown_region = values["unknown_region"]
        stored.save()


def show_consent_rules(request: HttpRequest) -> HttpResponse:
    """Show the settings; a POST saves them and starts the job that applies them to all customers."""
    check_permissions(request, PERMISSION)
    stored = load_consent_settings()
    is_reset = request.POST.get("action") == "defaults"
    form = ConsentRulesForm(request.POST if request.POST and not is_reset else None, stored=stored)
    if request.method == "POST" and (is_reset or form.is_valid()):
        if is_reset:
            stored.opt_in = {region: list(purposes) for region, purposes in DEFAULT_OPT_IN.items()}
            stored.save()
        else:
            form.save(stored)
        forget_consent_rules()
        record_action("consent.settings_changed", instance=stored, details={"opt_in": stored.opt_in})
        start_applying(request)
        return HttpResponseRedirect(reverse("privacy_settings:consent"))
    rules = build_rules(stored)
    return render_page(
        request,
        "admin/policy/consent.html",
        title=_("Consent rules"),
        form=form,
        regions=list(REGION_LABELS.values()),
        lines=describe_regions(rules),
        renewal=format_moment(rules.renewal_since) if rules.renewal_since else "",
        status=422 if form.errors else None,
    )


def start_applying(request: HttpRequest) -> None:
    """Start the job that applies the settings, and show the user a message about it."""
    if not start_task(apply_consent_settings):
        messages.warning(
            request,
            _(
                "The settings were saved. The job queue did not respond, so they will be applied to all customers tonight."
            ),
        )
        return
    messages.success(
        request,
        _("The settings were saved. They are being applied to all customers; Settings › Jobs shows when that is done."),
    )


def describe_regions(rules: ConsentRules) -> list[dict[str, str]]:
    """Return for each region how many customers it has, and how many of them have not answered about personalization."""
    customers, silent = dict.fromkeys(REGION_LABELS, 0), dict.fromkeys(REGION_LABELS, 0)
    counts = get_figures("policy.customers_by_country", list[tuple[str, bool, int]], count_customers)
    for country, has_answered, number in counts:
        region = rules.find_region(country)
        customers[region] += number
        silent[region] += 0 if has_answered else number
    return [
        {
            "label": str(label),
            "customers": format_count(customers[region]),
            "silent": format_count(silent[region]),
            "effect": _("not personalized until they agree")
            if Purpose.PERSONALISATION in rules.opt_in[region]
            else _("personalized until they object"),
        }
        for region, label in REGION_LABELS.items()
    ]


def count_customers() -> list[tuple[str, bool, int]]:
    """Return (country, whether there is an entry about personalization, customers)."""
    answered = Consent.objects.filter(customer=OuterRef("pk"), purpose=Purpose.PERSONALISATION)
    rows = (
        Customer.objects.filter(erased_at=None)
        .annotate(has_answered=Exists(answered))
        .values_list("country", "has_answered")
        .annotate(number=Count("pk"))
        .order_by()
    )
    return [(country, has_answered, number) for country, has_answered, number in rows]
