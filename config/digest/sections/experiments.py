"""The running experiments with their results so far."""

from django.urls import reverse
from django.utils.translation import gettext as _

from config.digest.sections.base import DigestRow, DigestSection, SectionContent
from config.digest.weeks import DigestWeek
from customers.lifecycle.facts.amounts import get_amount_currency
from recommendations.experiments.backoffice.result_page import describe_elapsed, describe_verdict, read_results
from recommendations.experiments.models import Experiment

MAX_EXPERIMENTS = 5


def build_experiments(week: DigestWeek) -> SectionContent | None:
    """Return a line for each running experiment; None without any."""
    currency = get_amount_currency()
    rows = []
    for experiment in Experiment.objects.filter(status=Experiment.Status.RUNNING)[:MAX_EXPERIMENTS]:
        results = read_results(experiment)  # cached for some minutes if they are slow
        if results is None:
            verdict = _("The results are being counted.")
            elapsed = ""
        else:
            verdict = describe_verdict(experiment, results, currency)
            elapsed = describe_elapsed(experiment, results, week.as_of)
        name = f"{experiment.name} ({elapsed})" if elapsed else experiment.name
        rows.append(DigestRow(name, verdict, reverse("experiments:experiment", args=[experiment.key])))
    return SectionContent(_("Running experiments"), rows=tuple(rows)) if rows else None


EXPERIMENTS = DigestSection("experiments", "experiments.view_experiment", build_experiments)
