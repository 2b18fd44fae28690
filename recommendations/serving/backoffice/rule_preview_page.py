"""The back office's preview of a rule: a page of its own, and the panel on the rule's page that follows its form."""

from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommendations.engine.placements import CATEGORIES, FOR_YOU
from recommendations.merchandising.backoffice.forms import RuleForm
from recommendations.merchandising.backoffice.rule_labels import in_words
from recommendations.merchandising.choices import Place
from recommendations.merchandising.models import Rule
from recommendations.serving.backoffice.rule_preview import preview_with_rules
from recommendations.serving.request import Request, WrongRequestError

PREFIX = "preview"
MAY_SEE_RULES = "merchandising.view_rule"
PLACES = [(value, label) for value, label in Place.choices if value not in (CATEGORIES, Place.SEARCH)]


class RulePreviewForm(forms.Form):
    scenario = forms.ChoiceField(label=gettext_lazy("where"), choices=PLACES, required=False)
    user_id = forms.CharField(label=gettext_lazy("user id"), required=False)
    anonymous_id = forms.CharField(label=gettext_lazy("anonymous id"), required=False)
    product_ids = forms.CharField(label=gettext_lazy("product ids"), required=False)
    category = forms.CharField(label=gettext_lazy("category path"), required=False)
    n = forms.IntegerField(label=gettext_lazy("how many"), required=False, min_value=1, max_value=100)

    def request(self) -> Request:
        wanted = self.cleaned_data
        return Request(
            scenario=wanted["scenario"] or FOR_YOU,
            user_id=wanted["user_id"],
            anonymous_id=wanted["anonymous_id"],
            product_ids=[part.strip() for part in wanted["product_ids"].split(",") if part.strip()],
            category=wanted["category"],
            n=wanted["n"] or 10,
            explain=False,
        )


def rule_preview_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """GET with ``preview-rule``: a stored rule. POST: a rule as its form stands. Nothing is written."""
    if not (model_admin.has_view_permission(request) and request.user.has_perm(MAY_SEE_RULES)):
        raise PermissionDenied
    told = request.POST if request.method == "POST" else request.GET
    draft, problems = draft_rule(request, told)
    form = asked(draft, told)
    context: dict[str, Any] = {"form": form, "problems": problems, "draft": draft, "preview": None}
    if draft is not None:
        context["words"] = in_words(draft)
        if form.is_valid():
            context |= preview_or_problem(form.request(), draft)
    if request.headers.get("X-Requested-With") == "fetch":
        return TemplateResponse(request, "admin/serving/rule_preview_panel.html", context)
    return TemplateResponse(
        request,
        "admin/serving/rule_preview.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": _("Preview of a rule"),
            "opts": model_admin.opts,
            "carried": carried(told) if request.method == "POST" else [],
            "rule_id": told.get(f"{PREFIX}-rule", ""),
            **context,
        },
    )


def draft_rule(request: HttpRequest, told: QueryDict) -> tuple[Rule | None, dict[str, list[str]]]:
    """The rule that is previewed, or what is wrong with it, by the label of the field."""
    number = told.get(f"{PREFIX}-rule", "")
    stored = get_object_or_404(Rule.objects.select_related("segment"), pk=int(number)) if number.isdecimal() else None
    if request.method != "POST":
        return stored, {} if stored else {"": [_("Name the rule to preview.")]}
    form = RuleForm(split_dates(told), instance=stored)
    if form.is_valid():
        return form.instance, {}
    problems = {
        str(form.fields[name].label) if name in form.fields else "": [str(text) for text in texts]
        for name, texts in form.errors.items()
        if name != "name"
    }
    return (None, problems) if problems else (form.instance, {})


def split_dates(told: QueryDict) -> QueryDict:
    """The back office's form asks for day and time apart."""
    data = told.copy()
    for name in ("starts_at", "ends_at"):
        if f"{name}_0" in data:
            data[name] = f"{data[f'{name}_0']} {data.get(f'{name}_1', '')}".strip()
    return data


def asked(draft: Rule | None, told: QueryDict) -> RulePreviewForm:
    """What the preview is asked for; at first a place where the rule holds."""
    if f"{PREFIX}-scenario" in told:
        return RulePreviewForm(told, prefix=PREFIX)
    places = [value for value, _label in PLACES if draft is not None and value in draft.scenarios]
    return RulePreviewForm({f"{PREFIX}-scenario": (places or [FOR_YOU])[0], f"{PREFIX}-n": 10}, prefix=PREFIX)


def preview_or_problem(wanted: Request, draft: Rule) -> dict[str, Any]:
    try:
        return {"preview": preview_with_rules(request=wanted, draft_rule=draft, now=timezone.now())}
    except WrongRequestError as error:
        return {"problem": str(error)}


def carried(told: QueryDict) -> list[tuple[str, str]]:
    """The rule's own fields, to be sent again with another question."""
    return [
        (name, value)
        for name, values in told.lists()
        if not name.startswith(f"{PREFIX}-") and name != "csrfmiddlewaretoken"
        for value in values
    ]
