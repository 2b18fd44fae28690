"""The back-office pages that preview recommendations."""

from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Product
from catalog.product_picker.fields import ProductIdsField
from config.foundation.backoffice.pages import render_page
from customers.identity.models import Customer
from customers.identity.personal_data.masking import mask_id, may_see_personal
from recommendations.engine.placements import FOR_YOU, SIMILAR
from recommendations.placement_labels import RECOMMENDATION_PLACEMENT_LABELS, get_placement_label
from recommendations.serving.backoffice.placements.samples import MissingStartProductError, add_start_product
from recommendations.serving.backoffice.placements.states import has_active_version
from recommendations.serving.backoffice.preview import build_preview, make_customer_request
from recommendations.serving.backoffice.why import explain_preview
from recommendations.serving.pipeline.candidates import NO_MODEL, NONE_LEFT, SWITCHED_OFF
from recommendations.serving.pipeline.context import LAST_RESORT
from recommendations.serving.request import InvalidRequestError, RecommendationRequest
from recommendations.serving.response import RecommendationResponse


class PreviewForm(forms.Form):
    scenario = forms.ChoiceField(
        label=gettext_lazy("placement"),
        choices=list(RECOMMENDATION_PLACEMENT_LABELS.items()),
        required=False,
    )
    user_id = forms.CharField(
        label=gettext_lazy("user ID"), required=False, help_text=gettext_lazy("Leave empty for a new visitor.")
    )
    anonymous_id = forms.CharField(label=gettext_lazy("anonymous ID"), required=False)
    product_id = ProductIdsField(
        label=gettext_lazy("products"),
        required=False,
        help_text=gettext_lazy("The products that similar, bought-together and cart recommendations are based on."),
    )
    category = forms.CharField(label=gettext_lazy("category path"), required=False)
    n = forms.IntegerField(label=gettext_lazy("number of products"), required=False, min_value=1, max_value=100)

    def make_request(self) -> RecommendationRequest:
        values = self.cleaned_data
        return RecommendationRequest(
            scenario=values["scenario"] or FOR_YOU,
            user_id=values["user_id"],
            anonymous_id=values["anonymous_id"],
            product_ids=values["product_id"],
            category=values["category"],
            n=values["n"] or 10,
        )


def show_preview_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    form = PreviewForm(request.GET if request.GET else {"scenario": FOR_YOU, "n": 10})
    recommendation_request, start_note, problem = None, "", ""
    if form.is_valid() and model_admin.has_view_permission(request):
        try:
            recommendation_request, start_note = add_start_product(form.make_request(), now=timezone.now())
        except MissingStartProductError as error:
            problem = str(error)
    return render_preview(
        request,
        model_admin=model_admin,
        title=_("Recommendation preview"),
        recommendation_request=recommendation_request,
        problem=problem,
        start_note=start_note,
        form=form,
    )


def show_similar_page(request: HttpRequest, *, model_admin: ModelAdmin, product_id: str) -> HttpResponse:
    product = get_object_or_404(Product, product_id=product_id)
    recommendation_request = RecommendationRequest(scenario=SIMILAR, product_ids=[product_id], n=12, in_stock=False)
    title = _("Similar to %(title)s") % {"title": product.title}
    return render_preview(
        request, model_admin=model_admin, title=title, recommendation_request=recommendation_request, product=product
    )


def show_customer_page(request: HttpRequest, *, model_admin: ModelAdmin, customer_id: int) -> HttpResponse:
    customer = get_object_or_404(Customer, pk=customer_id)
    recommendation_request = make_customer_request(customer, n=12)
    title = _("Recommendations for customer %(customer)s") % {
        "customer": mask_id(recommendation_request.user_id, with_personal=may_see_personal(request), mask="")
        or str(customer)
    }
    return render_preview(
        request, model_admin=model_admin, title=title, recommendation_request=recommendation_request, customer=customer
    )


def render_preview(
    request: HttpRequest,
    *,
    model_admin: ModelAdmin,
    title: str | Promise,
    recommendation_request: RecommendationRequest | None,
    problem: str = "",
    **context: Any,
) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    preview = None
    if recommendation_request is not None:
        try:
            preview = build_preview(request=recommendation_request, now=timezone.now())
        except InvalidRequestError as error:
            problem = str(error)
    return render_page(
        request,
        "admin/serving/preview.html",
        title=title,
        verdict=describe_response(preview.response) if preview is not None else "",
        preview=preview,
        items=explain_preview(preview) if preview is not None else [],
        problem=problem,
        **context,
    )


def describe_response(response: RecommendationResponse) -> str:
    """Return which placement the response shows, and why if it is not the requested one; "" if it is."""
    if not response.fallback:
        return ""
    if response.fallback_reason == NO_MODEL and has_active_version():
        return _("The web server has just started and is loading the model. Reload this page in a minute.")
    placement = get_placement_label(response.scenario)
    if response.fallback == LAST_RESORT:
        if response.fallback_reason == NO_MODEL:
            return _("No model has been trained yet, so the newest products are shown.")
        return _("“%(placement)s” has nothing to show here, so the newest products of the catalog are shown.") % {
            "placement": placement
        }
    values = {"placement": placement, "fallback": get_placement_label(response.fallback)}
    if response.fallback_reason == SWITCHED_OFF:
        return _("“%(placement)s” is off, or no better than “%(fallback)s”, which is shown instead.") % values
    if response.fallback_reason == NO_MODEL:
        return _("No model has been trained yet, so “%(fallback)s” is shown instead of “%(placement)s”.") % values
    if response.fallback_reason == NONE_LEFT:
        return _("“%(placement)s” has no products to show here, so “%(fallback)s” is shown instead.") % values
    return _("There is not enough data for “%(placement)s” here, so “%(fallback)s” is shown instead.") % values
