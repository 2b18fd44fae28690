"""Experiments: all of them, with what they have shown so far."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_day
from recommendations.experiments.backoffice.access import ADD, VIEW
from recommendations.experiments.models import Experiment
from recommendations.experiments.subjects import describe_subject

BADGES = {"draft": "neutral", "running": "good", "stopped": "warns", "promoted": "good"}
COLUMNS = (
    Column(key="name", label=gettext_lazy("name"), sort="name", align="text"),
    Column(key="subject", label=gettext_lazy("what is varied"), sort="kind", align="text"),
    Column(key="status", label=gettext_lazy("status"), sort="status", align="text"),
    Column(key="variants", label=gettext_lazy("Variants, with the control")),
    Column(key="metric", label=gettext_lazy("primary metric"), align="text"),
    Column(key="started", label=gettext_lazy("started at"), sort="started_at"),
)


def show_experiments(request: HttpRequest) -> HttpResponse:
    """Show the experiments, the newest first; archived ones only if they are asked for."""
    check_permissions(request, VIEW)
    shows_archived = "archived" in request.GET
    experiments = Experiment.objects.filter(archived_at__isnull=not shows_archived).annotate(
        variant_count=Count("variants")
    )
    running = Experiment.objects.filter(status=Experiment.Status.RUNNING).count()
    return render_page(
        request,
        "admin/experiments/list.html",
        title=gettext_lazy("Experiments"),
        verdict=ngettext("%(count)s experiment is running.", "%(count)s experiments are running.", running)
        % {"count": format_count(running)},
        as_of=timezone.now(),
        table=build_table(
            request,
            experiments,
            id="experiments",
            label=gettext_lazy("Experiments"),
            columns=COLUMNS,
            format_row=format_row,
            default_sort="-started",
        ),
        shows_archived=shows_archived,
        may_add=request.user.has_perm(ADD),
    )


def format_row(experiment: Any) -> Mapping[str, Any]:
    return {
        "name": Cell(experiment.name, url=reverse("experiments:experiment", args=[experiment.key])),
        "subject": describe_subject(experiment.kind, experiment.subject),
        "status": experiment.get_status_display(),
        "variants": format_count(experiment.variant_count),
        "metric": experiment.get_metric_display(),
        "started": format_day(experiment.started_at),
    }
