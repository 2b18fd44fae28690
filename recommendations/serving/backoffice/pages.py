"""The back office's pages of recommendations."""

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
from recommendations.engine.placements import FOR_YOU, SIMILAR
from recommendations.placement_labels import SCENARIO_NAMES
from recommendations.serving.backoffice.preview import preview, request_of
from recommendations.serving.recommend import Request, WrongRequestError


class PreviewForm(forms.Form):
    scenario = forms.ChoiceField(
        label=_("scenario"),
        choices=list(SCENARIO_NAMES.items()),
        required=False,
    )
    user_id = forms.CharField(label=_("user id"), required=False, help_text=_("Empty: a new visitor."))
    anonymous_id = forms.CharField(label=_("anonymous id"), required=False)
    product_id = forms.CharField(
        label=_("product ids"),
        required=False,
        help_text=_("What similar, bought together and the basket start from; several joined by commas."),
    )
    category = forms.CharField(label=_("category path"), required=False)
    n = forms.IntegerField(label=_("how many"), required=False, min_value=1, max_value=100)

    def request(self) -> Request:
        wanted = self.cleaned_data
        return Request(
            scenario=wanted["scenario"] or FOR_YOU,
            user_id=wanted["user_id"],
            anonymous_id=wanted["anonymous_id"],
            product_ids=[part.strip() for part in wanted["product_id"].split(",") if part.strip()],
            category=wanted["category"],
            n=wanted["n"] or 10,
        )


def preview_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    form = PreviewForm(request.GET if request.GET else {"scenario": FOR_YOU, "n": 10})
    wanted = form.request() if form.is_valid() else None
    return page(request, model_admin=model_admin, title=_("Recommendation preview"), wanted=wanted, form=form)


def similar_page(request: HttpRequest, *, model_admin: ModelAdmin, product_id: str) -> HttpResponse:
    product = get_object_or_404(Product, product_id=product_id)
    wanted = Request(scenario=SIMILAR, product_ids=[product_id], n=12, in_stock=False)
    title = _("Similar to %(title)s") % {"title": product.title}
    return page(request, model_admin=model_admin, title=title, wanted=wanted, product=product)


def customer_page(request: HttpRequest, *, model_admin: ModelAdmin, customer_id: int) -> HttpResponse:
    customer = get_object_or_404(Customer, pk=customer_id)
    wanted = request_of(customer, n=12)
    title = _("Recommendations for customer %(customer)s") % {"customer": wanted.user_id or str(customer)}
    return page(request, model_admin=model_admin, title=title, wanted=wanted, customer=customer)


def page(
    request: HttpRequest, *, model_admin: ModelAdmin, title: str | Promise, wanted: Request | None, **context: Any
) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    shown, problem = None, ""
    if wanted is not None:
        try:
            shown = preview(request=wanted, now=timezone.now())
        except WrongRequestError as error:
            problem = str(error)
    return TemplateResponse(
        request,
        "admin/serving/preview.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": title,
            "opts": model_admin.opts,
            "shown": shown,
            "problem": problem,
            "wanted": wanted,
            **context,
        },
    )
