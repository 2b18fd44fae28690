"""The back office's page of how recommendations do: dresses what `performance` found."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from recommendations.engine.evaluation import Interval
from recommendations.placement_labels import PLACE_NAMES, place_name
from recommendations.serving.impressions.models import PositionBias
from recommendations.serving.impressions.performance import (
    Figures,
    Performance,
    PositionFigures,
    ScenarioFigures,
    VersionFigures,
    WrongPeriodError,
    merged,
    performance,
)

NOTHING = "–"
MOST_POSITIONS = 20  # those below are summed up: few look so far down


class PeriodForm(forms.Form):
    since = forms.DateField(
        label=gettext_lazy("from"), required=False, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=gettext_lazy("until"), required=False, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    scenario = forms.ChoiceField(
        label=gettext_lazy("place"),
        required=False,
        choices=[("", gettext_lazy("all")), *PLACE_NAMES.items()],
        widget=UnfoldAdminSelectWidget,
    )


def performance_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    form = PeriodForm(request.GET)
    wanted = form.cleaned_data if form.is_valid() else {}
    context: dict[str, Any] = {}
    try:
        context = show(performance(as_of=timezone.now(), **wanted))
    except WrongPeriodError as error:
        form.add_error("since", str(error))
    return TemplateResponse(
        request,
        "admin/serving/performance.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": _("Recommendation performance"),
            "opts": model_admin.opts,
            "form": form,
            **context,
        },
    )


def show(found: Performance) -> dict[str, Any]:
    return {
        "found": found,
        "scenarios": [show_scenario(scenario, number) for number, scenario in enumerate(found.scenarios)],
        "versions": [show_version(version) for version in found.versions],
    }


def show_scenario(scenario: ScenarioFigures, number: int) -> dict[str, Any]:
    first = [position for position in scenario.positions if position.position <= MOST_POSITIONS]
    rest = [position.figures for position in scenario.positions if position.position > MOST_POSITIONS]
    rows = [show_position(position) for position in first]
    if rest:
        rows.append({"name": _("below %(position)d") % {"position": MOST_POSITIONS}, **show_figures(merged(rest))})
    return {
        "name": place_name(scenario.scenario),
        "method": str(PositionBias.Method(scenario.method).label) if scenario.method else "",
        "rows": rows,
        "charts": charts_of(first, number),
        **show_figures(scenario.figures),
    }


def show_position(position: PositionFigures) -> dict[str, Any]:
    return {
        "name": number_format(position.position),
        "examination": NOTHING if position.examination is None else percent(position.examination, 0),
        **show_figures(position.figures),
    }


def show_version(version: VersionFigures) -> dict[str, Any]:
    return {
        "place": place_name(version.scenario),
        "version": version.model_version,
        "strategy": version.strategy,
        "estimate": rate(version.estimate),
        "estimate_interval": interval(version.estimate),
        **show_figures(version.figures),
    }


def show_figures(figures: Figures) -> dict[str, Any]:
    return {
        "shown": number_format(figures.shown, force_grouping=True),
        "clicked": number_format(figures.clicked, force_grouping=True),
        "carted": number_format(figures.carted, force_grouping=True),
        "bought": number_format(figures.bought, force_grouping=True),
        "revenue": " + ".join(money(amount, currency) for currency, amount in sorted(figures.revenue.items()))
        or NOTHING,
        "rate": rate(figures.click_rate),
        "interval": interval(figures.click_rate),
    }


def charts_of(positions: list[PositionFigures], number: int) -> list[dict[str, Any]]:
    """Rate of clicks by position with its interval, and what of it comes from being looked at."""
    clicks = [(place, place.figures.click_rate) for place in positions]
    known = [(place, found) for place, found in clicks if found is not None]
    charts = [
        {
            "id": f"clicks-{number}",
            "title": _("Clicked of shown, by position"),
            "spec": {
                "kind": "intervals",
                "labels": [str(place.position) for place, _rate in known],
                "values": [found.value for _place, found in known],
                "low": [found.low for _place, found in known],
                "high": [found.high for _place, found in known],
                "serves": [True] * len(known),
                "texts": [f"{rate(found)} ({interval(found)})" for _place, found in known],
                "across": _("Clicked of shown"),
            },
        }
    ]
    looked = [(place.position, place.examination) for place in positions if place.examination is not None]
    if looked:
        charts.append(
            {
                "id": f"looked-{number}",
                "title": _("Looked at, against the first position"),
                "spec": {
                    "kind": "points",
                    "plain": True,
                    "labels": [f"{position}: {percent(value, 0)}" for position, value in looked],
                    "x": [position for position, _value in looked],
                    "y": [value for _position, value in looked],
                    "serves": [True] * len(looked),
                    "across": _("Position"),
                    "up": _("Looked at, against the first"),
                },
            }
        )
    return charts


def percent(share: float, digits: int = 2) -> str:
    return f"{number_format(share * 100, digits)} %"


def rate(found: Interval | None) -> str:
    return NOTHING if found is None else percent(found.value)


def interval(found: Interval | None) -> str:
    return NOTHING if found is None else f"{percent(found.low)} – {percent(found.high)}"


def money(amount: Decimal, currency: str) -> str:
    return f"{number_format(amount, 2, force_grouping=True)} {currency}"
