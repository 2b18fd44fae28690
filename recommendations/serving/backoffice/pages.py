"""The back-office pages that preview recommendations."""

from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from catalog.models import Product
from customers.identity.models import Customer
from customers.identity.personal_data.masking import mask_id, may_see_personal
from recommendations.engine.placements import FOR_YOU, SIMILAR
from recommendations.placement_labels import RECOMMENDATION_PLACEMENT_LABELS
from recommendations.serving.backoffice.preview import build_preview, make_customer_request
from recommendations.serving.request import InvalidRequestError, RecommendationRequest


class PreviewForm(forms.Form):
    scenario = forms.ChoiceField(
        label=_("placement"),
        choices=list(RECOMMENDATION_PLACEMENT_LABELS.items()),
        required=False,
    )
    user_id = forms.CharField(label=_("user ID"), required=False, help_text=_("Leave empty for a new visitor."))
    anonymous_id = forms.CharField(label=_("anonymous ID"), required=False)
    product_id = forms.CharField(
        label=_("product IDs"),
        required=False,
        help_text=_(
            "The products that similar, bought-together and cart recommendations are based on, separated by commas."
        ),
    )
    category = forms.CharField(label=_("category path"), required=False)
    n = forms.IntegerField(label=_("number of products"), required=False, min_value=1, max_value=100)

    def make_request(self) -> RecommendationRequest:
        values = self.cleaned_data
        return RecommendationRequest(
            scenario=values["scenario"] or FOR_YOU,
            user_id=values["user_id"],
            anonymous_id=values["anonymous_id"],
            product_ids=[part.strip() for part in values["product_id"].split(",") if part.strip()],
            category=values["category"],
            n=values["n"] or 10,
        )


def show_preview_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    form = PreviewForm(request.GET if request.GET else {"scenario": FOR_YOU, "n": 10})
    recommendation_request = form.make_request() if form.is_valid() else None
    return render_preview(
        request,
        model_admin=model_admin,
        title=_("Recommendation preview"),
        recommendation_request=recommendation_request,
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
    **context: Any,
) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    preview, problem = None, ""
    if recommendation_request is not None:
        try:
            preview = build_preview(request=recommendation_request, now=timezone.now())
        except InvalidRequestError as error:
            problem = str(error)
    return TemplateResponse(
        request,
        "admin/serving/preview.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": title,
            "opts": model_admin.opts,
            "preview": preview,
            "problem": problem,
            **context,
        },
    )
