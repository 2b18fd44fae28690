"""Preview of the stage changes that the thresholds in a form would cause."""

from datetime import datetime
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.backoffice.drilldown_page import list_customers
from customers.lifecycle.backoffice.drilldowns import get_stage_label
from customers.lifecycle.models import Stage
from customers.lifecycle.scoring.stages.stage_table import STAGES
from customers.lifecycle.stages.preview import RulesPreview, preview_rules

MAX_CUSTOMERS = 50


def render_rules_preview(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the preview of the posted form. Nothing is saved."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    form: ModelForm = model_admin.get_form(request)(request.POST)
    context: dict[str, Any] = {"problems": list_form_errors(form)}
    if form.is_valid():
        as_of = timezone.now()
        preview = preview_rules(values=form.cleaned_data, as_of=as_of)
        context |= format_preview(preview, with_personal=may_see_personal(request), as_of=as_of)
    return TemplateResponse(
        request,
        "admin/lifecycle/rules_preview.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": _("Preview of the stage rules"),
            "opts": model_admin.opts,
            **context,
        },
    )


def list_form_errors(form: ModelForm) -> list[tuple[str, str]]:
    """Return the label of the field and the message of each form error."""
    return [
        (str(form.fields[name].label) if name in form.fields else "", str(text))
        for name, texts in form.errors.items()
        for text in texts
    ]


def format_preview(preview: RulesPreview, *, with_personal: bool, as_of: datetime) -> dict[str, Any]:
    return {
        "moved": len(preview.customer),
        "customers": preview.customers,
        "cells": [
            {
                "from": get_stage_label(cell["from_stage"]),
                "to": get_stage_label(cell["to_stage"]),
                "customers": cell["customers"],
            }
            for cell in preview.count_changes()
        ],
        "stage_counts": [
            {"name": str(Stage(stage).label), "before": current, "after": proposed, "change": proposed - current}
            for stage, current, proposed in zip(
                STAGES, preview.current_counts.tolist(), preview.proposed_counts.tolist(), strict=True
            )
        ],
        "changed_customers": list_customers(
            preview.customer[:MAX_CUSTOMERS].tolist(), with_personal=with_personal, as_of=as_of
        ),
        "max_customers": MAX_CUSTOMERS,
    }
