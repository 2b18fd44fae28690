"""The back-office preview of a rule: a page, and a panel next to the form."""

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

from catalog.product_picker.fields import ProductIdsField
from catalog.product_picker.queries import MAX_ROWS, describe_products
from config.foundation.number_formats import join_list, join_sentences
from recommendations.engine.placements import CATEGORIES, FOR_YOU
from recommendations.merchandising.backoffice.forms import RuleForm
from recommendations.merchandising.backoffice.overview import build_overviews, find_product_titles
from recommendations.merchandising.backoffice.rule_labels import describe_rule
from recommendations.merchandising.choices import RulePlacement
from recommendations.merchandising.models import Rule
from recommendations.placement_labels import get_placement_label
from recommendations.serving.backoffice.placements.samples import MissingStartProductError, add_start_product
from recommendations.serving.backoffice.rule_preview import preview_with_rules
from recommendations.serving.request import InvalidRequestError, RecommendationRequest

PREFIX = "preview"
VIEW_RULES_PERMISSION = "merchandising.view_rule"
VIEW_SEARCH_PREVIEW_PERMISSION = "training.view_modelversion"
PREVIEW_PLACEMENTS = [
    (value, label) for value, label in RulePlacement.choices if value not in (CATEGORIES, RulePlacement.SEARCH)
]


class RulePreviewForm(forms.Form):
    scenario = forms.ChoiceField(label=gettext_lazy("placement"), choices=PREVIEW_PLACEMENTS, required=False)
    user_id = forms.CharField(label=gettext_lazy("user ID"), required=False)
    anonymous_id = forms.CharField(label=gettext_lazy("anonymous ID"), required=False)
    product_ids = ProductIdsField(label=gettext_lazy("products"), required=False)
    category = forms.CharField(label=gettext_lazy("category path"), required=False)
    n = forms.IntegerField(label=gettext_lazy("number of products"), required=False, min_value=1, max_value=100)

    def make_request(self) -> RecommendationRequest:
        values = self.cleaned_data
        return RecommendationRequest(
            scenario=values["scenario"] or FOR_YOU,
            user_id=values["user_id"],
            anonymous_id=values["anonymous_id"],
            product_ids=values["product_ids"],
            category=values["category"],
            n=values["n"] or 10,
            explain=False,
        )


def show_rule_preview_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Preview a stored rule (GET with ``preview-rule``) or the rule of a posted form.

    Nothing is saved.
    """
    if not (model_admin.has_view_permission(request) and request.user.has_perm(VIEW_RULES_PERMISSION)):
        raise PermissionDenied
    data = request.POST if request.method == "POST" else request.GET
    draft, problems = read_draft_rule(request, data)
    form = make_preview_form(draft, data)
    context: dict[str, Any] = {"form": form, "problems": problems, "draft": draft, "preview": None}
    if draft is not None:
        context["description"] = describe_rule(draft, find_product_titles([draft]))
        [overview] = build_overviews(rules=[draft], now=timezone.now())
        context["warnings"] = overview.warnings
        context["links_search"] = RulePlacement.SEARCH in draft.scenarios and request.user.has_perm(
            VIEW_SEARCH_PREVIEW_PERMISSION
        )
        if form.is_valid():
            context |= build_preview_context(form.make_request(), draft)
    if request.headers.get("X-Requested-With") == "fetch":
        return TemplateResponse(request, "admin/serving/rule_preview_panel.html", context)
    return TemplateResponse(
        request,
        "admin/serving/rule_preview.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": _("Rule preview"),
            "opts": model_admin.opts,
            "rule_fields": list_rule_fields(data) if request.method == "POST" else [],
            "rule_id": data.get(f"{PREFIX}-rule", ""),
            **context,
        },
    )


def read_draft_rule(request: HttpRequest, data: QueryDict) -> tuple[Rule | None, dict[str, list[str]]]:
    """Return the rule to preview, or its problems by the label of the field."""
    rule_id = data.get(f"{PREFIX}-rule", "")
    is_number = rule_id.isdecimal() and len(rule_id) < 19
    stored = get_object_or_404(Rule.objects.select_related("segment"), pk=int(rule_id)) if is_number else None
    if request.method != "POST":
        return stored, {} if stored else {"": [_("No rule selected. Open the preview from the page of a rule.")]}
    form = RuleForm(join_dates(data), instance=stored)
    if form.is_valid():
        return form.instance, {}
    problems = {
        str(form.fields[name].label) if name in form.fields else "": [str(text) for text in texts]
        for name, texts in form.errors.items()
        if name != "name"
    }
    return (None, problems) if problems else (form.instance, {})


def join_dates(data: QueryDict) -> QueryDict:
    """Join date and time, which the form posts as two fields."""
    joined = data.copy()
    for name in ("starts_at", "ends_at"):
        if f"{name}_0" in data:
            joined[name] = f"{data[f'{name}_0']} {data.get(f'{name}_1', '')}".strip()
    return joined


def make_preview_form(draft: Rule | None, data: QueryDict) -> RulePreviewForm:
    """Return the form of the preview; its initial placement is one where the rule applies."""
    if f"{PREFIX}-scenario" in data:
        return RulePreviewForm(data, prefix=PREFIX)
    scenarios = draft.scenarios if draft is not None else data.getlist("scenarios")
    placements = [value for value, _label in PREVIEW_PLACEMENTS if value in scenarios]
    return RulePreviewForm({f"{PREFIX}-scenario": (placements or [FOR_YOU])[0], f"{PREFIX}-n": 10}, prefix=PREFIX)


def build_preview_context(request: RecommendationRequest, draft: Rule) -> dict[str, Any]:
    """Return the preview, or why there is none."""
    if draft.scenarios and request.scenario not in draft.scenarios:
        return {"wrong_placement": describe_wrong_placement(request.scenario, draft)}
    now = timezone.now()
    try:
        request, start_note = add_start_product(request, now=now)
        preview = preview_with_rules(request=request, draft_rule=draft, now=now)
    except (InvalidRequestError, MissingStartProductError) as error:
        return {"problem": str(error)}
    titles = {product.product_id: product.title for product in describe_products(preview.missing_pins[:MAX_ROWS])}
    return {
        "preview": preview,
        "start_note": start_note,
        "missing_pins": [f"“{titles.get(name, name)}”" for name in preview.missing_pins],
    }


def describe_wrong_placement(placement: str, draft: Rule) -> str:
    """Return that a rule does not apply to the chosen placement, and where to see what it changes."""
    texts = [_("This rule does not apply to “%(placement)s”.") % {"placement": get_placement_label(placement)}]
    if any(value in draft.scenarios for value, _label in PREVIEW_PLACEMENTS):
        texts.append(_("Choose another placement to see what it changes."))
    else:
        labels = [str(RulePlacement(value).label) for value in RulePlacement.values if value in draft.scenarios]
        texts.append(
            _("It applies only to placements that this preview does not show: %(placements)s.")
            % {"placements": join_list(labels)}
        )
    if RulePlacement.SEARCH in draft.scenarios:
        texts.append(_("To see what it changes in search, save the rule and open the search preview."))
    return join_sentences(texts)


def list_rule_fields(data: QueryDict) -> list[tuple[str, str]]:
    """Return the posted fields of the rule, so that they can be posted again with other preview settings."""
    return [
        (name, value)
        for name, values in data.lists()
        if not name.startswith(f"{PREFIX}-") and name != "csrfmiddlewaretoken"
        for value in values
    ]
