"""A draft: the settings and share of each variant, and what the experiment could show."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import format_count, format_percent, join_sentences
from config.foundation.slow_figures import get_figures_soon
from recommendations.experiments.backoffice.access import CHANGE, DELETE, check_setting_up, get_experiment
from recommendations.experiments.backoffice.actions import start
from recommendations.experiments.backoffice.estimate_texts import EstimateText, describe_variant_estimate
from recommendations.experiments.backoffice.preference_texts import describe_interleaving_power
from recommendations.experiments.editing import (
    ExperimentNotReadyError,
    VariantDraft,
    find_start_problem,
    replace_variants,
)
from recommendations.experiments.methods.registry import find_method, plan_experiment
from recommendations.experiments.models import Experiment, Variant
from recommendations.experiments.planning import RELEVANT_LIFT, ExperimentPower
from recommendations.experiments.subjects import ExperimentSubject, describe_subject, find_subject

COUNTING = gettext_lazy("The change that this experiment can detect is being computed. Reload the page in a moment.")


class ShareForm(forms.Form):
    """Name and share of a variant."""

    name = forms.CharField(label=gettext_lazy("Name of the variant"), max_length=100)
    percent = forms.DecimalField(
        label=gettext_lazy("Share in percent"), min_value=Decimal("0.01"), max_value=100, decimal_places=2
    )


def format_number(value: Decimal) -> str:
    """Return a number without zeros at its end, as an input field takes it."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


class VariantForms:
    """The forms of one variant. settings: None for the control, which keeps the present settings."""

    def __init__(self, variant: Variant, subject: ExperimentSubject, data: Mapping[str, Any] | None) -> None:
        experiment, prefix = variant.experiment, variant.key
        self.variant = variant
        initial = {"name": variant.name, "percent": format_number(variant.share * 100)}
        self.share = ShareForm(data, initial=initial, prefix=prefix)
        if not find_method(experiment).has_shares:
            del self.share.fields["percent"]
        for field in self.share.fields.values():
            field.widget.attrs.pop("autofocus", None)
        self.settings = None
        if not variant.is_control:
            self.settings = subject.build_form(experiment.subject, data, variant.config, prefix)
        self.subject = subject
        self.estimate: EstimateText | None = None

    def is_valid(self) -> bool:
        return all(form.is_valid() for form in (self.share, self.settings) if form is not None)

    def make_draft(self) -> VariantDraft:
        values, share = self.share.cleaned_data, self.variant.share
        config = {}
        if self.settings is not None:
            config = self.subject.read_config(self.variant.experiment.subject, self.settings)
        if "percent" in values:
            share = (values["percent"] / 100).quantize(Decimal("0.0001"))
        return VariantDraft(values["name"], share, config)


def show_draft(request: HttpRequest, key: str) -> HttpResponse:
    """Show the variants of a draft; a POST saves them, and starts the experiment if its button was pressed."""
    check_permissions(request, CHANGE)
    experiment = get_experiment(key)
    subject = find_subject(experiment.kind)
    if experiment.status != Experiment.Status.DRAFT or subject is None:
        return HttpResponseRedirect(reverse("experiments:experiment", args=[key]))
    check_setting_up(request, experiment.kind)
    data = request.POST if request.method == "POST" else None
    forms_of = [VariantForms(variant, subject, data) for variant in experiment.variants.all()]
    problem = ""
    are_valid = (
        [form.is_valid() for form in forms_of] if data is not None else [False]
    )  # of all forms, so that each shows its errors
    if all(are_valid):
        drafts = [form.make_draft() for form in forms_of]
        if sum(draft.share for draft in drafts) == 1:
            return save_draft(request, experiment, drafts)
        problem = _("The shares must sum to 100%.")
    shares = [float(form.variant.share) for form in forms_of]
    power: ExperimentPower | None = get_figures_soon(
        f"experiments.power.{experiment.pk}.{'-'.join(map(str, shares))}",
        ExperimentPower,
        lambda: plan_experiment(experiment, shares=shares, at=timezone.now()),
    )
    for form in forms_of:
        form.estimate = describe_variant_estimate(form.variant, subject, at=timezone.now())
    return render_page(
        request,
        "admin/experiments/draft.html",
        title=experiment.name,
        verdict=describe_plan(experiment, power) if power is not None else str(COUNTING),
        is_interleaving=experiment.method == Experiment.Method.INTERLEAVING,
        experiment=experiment,
        subject=describe_subject(experiment.kind, experiment.subject),
        variants=forms_of,
        problem=problem,
        start_problem=find_start_problem(experiment),
        may_delete=request.user.has_perm(DELETE),
        status=422 if data is not None else None,
    )


def save_draft(request: HttpRequest, experiment: Experiment, drafts: Sequence[VariantDraft]) -> HttpResponse:
    """Save the variants, and start the experiment if its button was pressed, so that it never runs with older settings than those shown."""
    try:
        replace_variants(experiment=experiment, variants=drafts)
    except ExperimentNotReadyError:  # started by someone else meanwhile
        return HttpResponseRedirect(reverse("experiments:experiment", args=[experiment.key]))
    if request.POST.get("action") == "start":
        return start(request, experiment.key)
    return HttpResponseRedirect(reverse("experiments:draft", args=[experiment.key]))


def describe_plan(experiment: Experiment, power: ExperimentPower) -> str:
    """Return what the experiment could show, by its method."""
    if experiment.method == Experiment.Method.INTERLEAVING:
        return describe_interleaving_power(experiment, power)
    return describe_power(experiment, power)


def describe_power(experiment: Experiment, power: ExperimentPower) -> str:
    """Return what the experiment could show with the numbers, and that those of an experiment on clicks are computed from orders."""
    units, source = format_count(power.units), ""
    if experiment.metric == Experiment.Metric.CLICKS:
        source = _("Computed from orders; clicks are more frequent, so smaller changes can be detected.")
    if power.smallest is None:
        few = _("In the last 28 days, %(units)s people would have been in this experiment: too few to tell anything.")
        return join_sentences([few % {"units": units}, source])
    shown = _(
        "With the traffic of the last 28 days (%(units)s people), running the experiment for %(days)s days detects a "
        "change of %(smallest)s or more in 4 out of 5 cases."
    ) % {"units": units, "days": format_count(experiment.planned_days), "smallest": format_percent(power.smallest)}
    if power.days is None:
        needed = _("Detecting a change of %(lift)s would take more than half a year.") % {
            "lift": format_percent(RELEVANT_LIFT, 0)
        }
    else:
        needed = ngettext(
            "Detecting a change of %(lift)s takes %(days)s day.",
            "Detecting a change of %(lift)s takes %(days)s days.",
            power.days,
        ) % {"lift": format_percent(RELEVANT_LIFT, 0), "days": format_count(power.days)}
    return join_sentences([shown, needed, source])
