"""The back office's page "Who would want this", from which people are saved as a segment."""

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
from customers.segments.editing import NameTakenError
from recommendations.serving.batch.audience import MOST, Audience, audience_of, save_audience

SHOWN = 100
MAY_SEE_PEOPLE, MAY_SAVE = "identity.view_customer", "segments.add_segment"


class SaveForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("name"), max_length=200, widget=UnfoldAdminTextInputWidget)
    most = forms.IntegerField(
        label=gettext_lazy("how many at most"), min_value=1, max_value=MOST, widget=UnfoldAdminIntegerFieldWidget
    )


def audience_page(request: HttpRequest, *, model_admin: ModelAdmin, product_id: str) -> HttpResponse:
    if not (model_admin.has_view_permission(request) and request.user.has_perm(MAY_SEE_PEOPLE)):
        raise PermissionDenied
    product = get_object_or_404(Product, product_id=product_id)
    audience = audience_of(product_id=product_id, now=timezone.now())
    may_save = request.user.has_perm(MAY_SAVE) and bool(audience.people)
    title = _("Who would want %(title)s") % {"title": product.title}
    form = SaveForm(request.POST or None, initial={"name": title[:200], "most": min(1000, len(audience.people))})
    if request.method == "POST":
        if not may_save:
            raise PermissionDenied
        if form.is_valid() and (saved := save(request, form, audience)) is not None:
            return saved
    people = [
        {
            "customer_id": one.customer_id,
            "user_id": one.user_id,
            "score": number_format(one.score, 3),
            "reason": one.reason,
        }
        for one in audience.people[:SHOWN]
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
            "people": people,
            "count": number_format(len(audience.people), force_grouping=True),
            "form": form if may_save else None,
        },
    )


def save(request: HttpRequest, form: SaveForm, audience: Audience) -> HttpResponse | None:
    """None where the name is taken, which the form then says."""
    try:
        segment = save_audience(audience=audience, name=form.cleaned_data["name"], most=form.cleaned_data["most"])
    except NameTakenError as error:
        form.add_error("name", str(error))
        return None
    count = min(form.cleaned_data["most"], len(audience.people))
    message = ngettext("%(count)d customer is on the list.", "%(count)d customers are on the list.", count)
    messages.success(request, message % {"count": count})
    return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment.pk]))
