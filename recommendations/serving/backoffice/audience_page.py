"""The back-office page of the audience of a product, which can be saved as a segment."""

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from catalog.models import Product
from config.foundation.number_formats import format_decimals
from customers.identity.personal_data.masking import mask_id, may_see_personal
from customers.segments.editing import NameTakenError
from recommendations.serving.batch.audience import MAX_AUDIENCE, Audience, find_audience, save_audience

MAX_SHOWN_CUSTOMERS = 100
VIEW_CUSTOMERS_PERMISSION, ADD_SEGMENT_PERMISSION = "identity.view_customer", "segments.add_segment"


class SaveAudienceForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("name"), max_length=200, widget=UnfoldAdminTextInputWidget)
    most = forms.IntegerField(
        label=gettext_lazy("maximum number of customers"),
        min_value=1,
        max_value=MAX_AUDIENCE,
        widget=UnfoldAdminIntegerFieldWidget,
    )


def show_audience_page(request: HttpRequest, *, model_admin: ModelAdmin, product_id: str) -> HttpResponse:
    if not (model_admin.has_view_permission(request) and request.user.has_perm(VIEW_CUSTOMERS_PERMISSION)):
        raise PermissionDenied
    product = get_object_or_404(Product, product_id=product_id)
    audience = find_audience(product_id=product_id, now=timezone.now())
    may_save = request.user.has_perm(ADD_SEGMENT_PERMISSION) and bool(audience.customers)
    title = _("Customers interested in %(title)s") % {"title": product.title}
    form = SaveAudienceForm(
        request.POST or None, initial={"name": title[:200], "most": min(1000, len(audience.customers))}
    )
    if request.method == "POST":
        if not may_save:
            raise PermissionDenied
        if form.is_valid() and (saved := save_as_segment(request, form, audience)) is not None:
            return saved
    with_personal = may_see_personal(request)
    members = [
        {
            "customer_id": member.customer_id,
            # without a user ID, the page shows the customer number
            "user_id": mask_id(member.user_id, with_personal=with_personal, mask=""),
            "score": format_decimals(member.score, 3),
            "reason": member.reason,
        }
        for member in audience.customers[:MAX_SHOWN_CUSTOMERS]
    ]
    return TemplateResponse(
        request,
        "admin/serving/audience.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": title,
            "opts": model_admin.opts,
            "product": product,
            "audience": audience,
            "members": members,
            "count": number_format(len(audience.customers), force_grouping=True),
            "form": form if may_save else None,
        },
    )


def save_as_segment(request: HttpRequest, form: SaveAudienceForm, audience: Audience) -> HttpResponse | None:
    """Save the audience as a segment; None if the name is taken, which the form then reports."""
    try:
        segment = save_audience(
            audience=audience, name=form.cleaned_data["name"], max_customers=form.cleaned_data["most"]
        )
    except NameTakenError as error:
        form.add_error("name", str(error))
        return None
    count = min(form.cleaned_data["most"], len(audience.customers))
    message = ngettext("Saved a segment of %(count)d customer.", "Saved a segment of %(count)d customers.", count)
    messages.success(request, message % {"count": count})
    return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment.pk]))
