"""The Lifecycle page: who moved from which stage to which between two days, and the people of every cell."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localdate, make_aware
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from customers.identity.models import Identifier
from customers.lifecycle.cluster_section import cluster_section
from customers.lifecycle.models import CustomerProfile, LifecycleRun, Stage
from customers.lifecycle.movement import movement, people_who_moved, standing
from customers.lifecycle.propensity_section import propensity_section
from customers.lifecycle.value_section import value_section

DAYS = 28
PER_PAGE = 50
EARLIEST, LATEST = 1900, 2200  # years that every time zone and database has
UNKNOWN = "unknown"  # what an address calls those who were not known then
UNKNOWN_NAME = pgettext_lazy("stage", "not known yet")


class RangeForm(forms.Form):
    """Two days; the moves of the last four weeks where none are given."""

    since = forms.DateField(label=gettext_lazy("from"), widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=gettext_lazy("to"), widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        for name in ("since", "until"):
            if told.get(name) and not EARLIEST <= told[name].year <= LATEST:
                self.add_error(
                    name, _("Give a year between %(first)d and %(last)d.") % {"first": EARLIEST, "last": LATEST}
                )
        if told.get("since") and told.get("until") and told["until"] < told["since"]:
            self.add_error("until", _("The last day is before the first: give the earlier day first."))
        return told


@dataclass(frozen=True)
class Range:
    """From the beginning of the first day to the end of the last."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, form: RangeForm) -> "Range":
        told = form.cleaned_data
        return cls(
            make_aware(datetime.combine(told["since"], time.min)),
            make_aware(datetime.combine(told["until"] + timedelta(days=1), time.min)),
        )


def asked_range(request: HttpRequest) -> RangeForm:
    today = localdate()
    given = {name: request.GET[name] for name in ("since", "until") if request.GET.get(name)}
    return RangeForm({"since": (today - timedelta(days=DAYS - 1)).isoformat(), "until": today.isoformat(), **given})


def lifecycle_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Movement between the two days that the address names."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    form = asked_range(request)
    run = LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).order_by("-as_of").first()
    context: dict[str, Any] = {"form": form, "run": run, "empty": run is None}
    if run is not None:
        context |= {"value": value_section(), "propensities": propensity_section(), "clusters": cluster_section()}
    if form.is_valid() and run is not None:
        days = {name: form.cleaned_data[name].isoformat() for name in ("since", "until")}
        found = Range.of(form)
        rows = movement(since=found.since, until=found.until)
        context |= {"matrix": shown_matrix(rows, days), "sankey": sankey(rows, days), "standing": shown_standing(rows)}
    return page(request, model_admin, "admin/lifecycle/overview.html", _("Lifecycle"), context)


def moved_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """The people of one cell of the movement."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    form = asked_range(request)
    old, new = request.GET.get("from", ""), request.GET.get("to", "")
    wrong = old not in {UNKNOWN, *Stage.values} or new not in Stage.values
    context: dict[str, Any] = {"form": form, "wrong": wrong, "back": reverse("admin:lifecycle_overview")}
    if not wrong and form.is_valid():
        found = Range.of(form)
        rows = movement(since=found.since, until=found.until)
        old_key = "" if old == UNKNOWN else old
        total = sum(row["customers"] for row in rows if (row["from_stage"], row["to_stage"]) == (old_key, new))
        pages = Paginator(range(total), PER_PAGE).get_page(request.GET.get("page"))
        ids = people_who_moved(
            since=found.since,
            until=found.until,
            from_stage=old_key,
            to_stage=new,
            most=PER_PAGE,
            offset=max(pages.start_index() - 1, 0),
        )
        asked = {**{name: form.cleaned_data[name].isoformat() for name in ("since", "until")}, "from": old, "to": new}
        context |= {
            "people": shown_people(ids),
            "total": total,
            "pages": pages,
            "asked": urlencode(asked),
            "back": f"{context['back']}?{urlencode({name: asked[name] for name in ('since', 'until')})}",
            "from_name": stage_name(old_key),
            "to_name": stage_name(new),
        }
    return page(request, model_admin, "admin/lifecycle/moved.html", _("Who moved"), context)


def page(
    request: HttpRequest, model_admin: ModelAdmin, template: str, title: str, context: dict[str, Any]
) -> TemplateResponse:
    common = {**model_admin.admin_site.each_context(request), "title": title, "opts": model_admin.opts}
    return TemplateResponse(request, template, {**common, **context})


def stage_name(stage: str) -> str:
    return str(Stage(stage).label if stage else UNKNOWN_NAME)


def moved_link(old: str, new: str, days: dict[str, str]) -> str:
    return f"{reverse('admin:lifecycle_moved')}?{urlencode({'from': old or UNKNOWN, 'to': new, **days})}"


def shown_matrix(rows: list[dict[str, Any]], days: dict[str, str]) -> dict[str, Any]:
    """Every stage that somebody left or stands in: the table's heads, and in each row a cell for each head."""
    counts = {(row["from_stage"], row["to_stage"]): row["customers"] for row in rows}
    heads = [stage for stage in Stage.values if any(new == stage for _old, new in counts)]
    olds = [stage for stage in ("", *Stage.values) if any(old == stage for old, _new in counts)]
    return {
        "heads": [stage_name(stage) for stage in heads],
        "rows": [
            {
                "name": stage_name(old),
                "total": sum(counts.get((old, new), 0) for new in heads),
                "cells": [
                    {
                        "customers": counts.get((old, new), 0),
                        "same": old == new,
                        "url": moved_link(old, new, days) if (old, new) in counts else "",
                    }
                    for new in heads
                ],
            }
            for old in olds
        ],
        "totals": [sum(counts.get((old, new), 0) for old in olds) for new in heads],
        "total": sum(counts.values()),
        "moved": sum(n for (old, new), n in counts.items() if old != new),
    }


def sankey(rows: list[dict[str, Any]], days: dict[str, str]) -> dict[str, Any]:
    """Those who stand elsewhere than before; who stayed would cover everything else and stands in the table."""
    moved = [row for row in rows if row["from_stage"] != row["to_stage"]]
    olds = list(dict.fromkeys(row["from_stage"] for row in moved))
    news = list(dict.fromkeys(sorted((row["to_stage"] for row in moved), key=Stage.values.index)))
    return {
        "kind": "sankey",
        "labels": [stage_name(stage) for stage in [*olds, *news]],
        "keys": [*olds, *news],
        "source": [olds.index(row["from_stage"]) for row in moved],
        "target": [len(olds) + news.index(row["to_stage"]) for row in moved],
        "values": [row["customers"] for row in moved],
        "links": [moved_link(row["from_stage"], row["to_stage"], days) for row in moved],
    }


def shown_standing(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many stood in each stage before and after."""
    return [
        {"name": stage_name(stage), "before": before, "after": after, "change": after - before}
        for stage, (before, after) in standing(rows).items()
        if before or after
    ]


def shown_people(ids: Any) -> list[dict[str, Any]]:
    """In the order of the ids; without what is personal."""
    personal = [f"customer__{name}" for name in ("name", "email", "phone", "birthday")]
    profiles = (
        CustomerProfile.objects.filter(pk__in=ids)
        .select_related("customer")
        .prefetch_related("customer__identifiers")
        .defer(*personal)
        .order_by("pk")
    )
    return [
        {
            "name": next(
                (one.value for one in profile.customer.identifiers.all() if one.kind == Identifier.Kind.USER_ID),
                f"#{profile.pk}",
            ),
            "url": reverse("admin:lifecycle_customer", args=[profile.pk]),
            "stage": str(profile.get_stage_display()),
            "since": date_format(profile.stage_since, "DATE_FORMAT") if profile.stage_since else "–",
            "orders": profile.orders,
            "revenue": profile.revenue,
            "last_order_at": profile.last_order_at,
        }
        for profile in profiles
    ]
