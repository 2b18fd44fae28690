"""Shows who would stand in another stage by thresholds that are only written in the form."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.lifecycle.backoffice.drilldown_page import shown_people
from customers.lifecycle.backoffice.drilldowns import stage_name
from customers.lifecycle.models import Stage
from customers.lifecycle.scoring.stages.derivation import STAGES
from customers.lifecycle.stages.preview import Moves, preview_rules

FIRST_PEOPLE = 50


def rules_preview_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """POST: the rules as their form stands. Nothing is written."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    form: ModelForm = model_admin.get_form(request)(request.POST)
    context: dict[str, Any] = {"problems": problems_of(form)}
    if form.is_valid():
        moves = preview_rules(values=form.cleaned_data, as_of=timezone.now())
        context |= shown_moves(moves)
    return TemplateResponse(
        request,
        "admin/lifecycle/rules_preview.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": _("Who would move by these rules"),
            "opts": model_admin.opts,
            **context,
        },
    )


def problems_of(form: ModelForm) -> list[tuple[str, str]]:
    """Label of the field, and what is wrong with it."""
    return [
        (str(form.fields[name].label) if name in form.fields else "", str(text))
        for name, texts in form.errors.items()
        for text in texts
    ]


def shown_moves(moves: Moves) -> dict[str, Any]:
    return {
        "moved": len(moves.customer),
        "customers": moves.customers,
        "cells": [
            {
                "from": stage_name(cell["from_stage"]),
                "to": stage_name(cell["to_stage"]),
                "customers": cell["customers"],
            }
            for cell in moves.cells()
        ],
        "standing": [
            {"name": str(Stage(stage).label), "before": now, "after": then, "change": then - now}
            for stage, now, then in zip(STAGES, moves.counts_now.tolist(), moves.counts_then.tolist(), strict=True)
        ],
        "people": shown_people(moves.customer[:FIRST_PEOPLE].tolist()),
        "first": FIRST_PEOPLE,
    }
