"""The ledger of points, and adjustments by hand."""

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_count_change, format_full_day, format_moment
from customers.identity.models import Customer
from customers.loyalty.backoffice.access import ADJUST, VIEW_LEDGER
from customers.loyalty.models import LoyaltyMember, PointEntry
from customers.loyalty.points.ledger import PointsError, adjust_points

COLUMNS = (
    Column(key="at", label=gettext_lazy("Time"), align="text"),
    Column(key="customer", label=gettext_lazy("Customer"), align="text"),
    Column(key="label", label=gettext_lazy("Type"), align="text"),
    Column(key="points", label=gettext_lazy("Points")),
    Column(key="expires_on", label=gettext_lazy("Valid until"), align="text"),
    Column(key="detail", label=gettext_lazy("Order or reason"), align="text"),
)
MAX_POINTS = 1_000_000_000


class AdjustForm(forms.Form):
    """Points to add or deduct, with the reason. key: identifies a submission, so that repeating it has no effect."""

    points = forms.IntegerField(
        label=gettext_lazy("points"),
        min_value=-MAX_POINTS,
        max_value=MAX_POINTS,
        help_text=gettext_lazy("Enter a negative number to deduct points."),
    )
    note = forms.CharField(label=gettext_lazy("reason"), max_length=500)
    key = forms.UUIDField(widget=forms.HiddenInput)

    def clean_points(self) -> int:
        points = int(self.cleaned_data["points"])
        if not points:
            raise forms.ValidationError(_("Enter a number other than 0."))
        return points


def show_ledger(request: HttpRequest) -> HttpResponse:
    """Show the entries of the ledger, the newest first."""
    check_permissions(request, VIEW_LEDGER)
    entries = PointEntry.objects.order_by("-id")
    kind = request.GET.get("kind", "")
    if kind in PointEntry.Kind.values:
        entries = entries.filter(kind=kind)
    return render_page(
        request,
        "admin/loyalty/ledger.html",
        title=_("Points ledger"),
        kinds=PointEntry.Kind.choices,
        kind=kind,
        table=build_table(
            request,
            entries,
            id="ledger",
            label=_("Points ledger"),
            columns=COLUMNS,
            format_row=format_entry,
            page_size=50,
        ),
    )


def format_entry(entry: PointEntry) -> dict[str, Any]:
    return {
        "at": format_moment(entry.at),
        "customer": Cell(f"#{entry.customer_id}", get_loyalty_url(entry.customer_id)),
        "label": entry.label.capitalize(),
        "points": format_points(entry.points),
        "expires_on": format_full_day(entry.expires_on) if entry.expires_on else "–",
        "detail": " · ".join(filter(None, [entry.reference, entry.note, entry.by])) or "–",
    }


def format_points(points: int) -> str:
    return format_count_change(points)


def describe_refusal_of_points(available: int) -> str:
    """Return why points cannot be deducted: the customer can spend fewer, or has a negative balance."""
    if available > 0:
        return _("At most %(points)s points can be deducted.") % {"points": format_count(available)}
    return _("No points can be deducted: %(points)s points are available.") % {"points": format_count_change(available)}


def get_loyalty_url(customer_id: int) -> str:
    return f"{reverse('admin:lifecycle_customer', args=[customer_id])}?tab=loyalty"


@require_http_methods(["GET", "HEAD", "POST"])
def adjust(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Add or deduct points of a customer manually, with a reason."""
    check_permissions(request, ADJUST)
    customer = get_object_or_404(Customer, pk=customer_id, erased_at=None)
    form = AdjustForm(request.POST if request.method == "POST" else None, initial={"key": uuid4()})
    if form.is_valid():
        values = form.cleaned_data
        try:
            entry = adjust_points(
                customer_id=customer.pk,
                points=values["points"],
                note=values["note"],
                by=request.user.get_username(),
                key=str(values["key"]),
                now=timezone.now(),
            )
            record_action("loyalty.points_adjusted", instance=customer, details={"points": entry.points})
            messages.success(request, _("%(points)s points were posted.") % {"points": format_points(entry.points)})
            return HttpResponseRedirect(get_loyalty_url(customer.pk))
        except PointsError as error:
            form.add_error("points", describe_refusal_of_points(int(str(error))))
    return render_page(
        request,
        "admin/loyalty/adjust.html",
        title=_("Adjust points of customer #%(id)d") % {"id": customer.pk},
        form=form,
        member=LoyaltyMember.objects.filter(pk=customer.pk).first(),
        back_url=get_loyalty_url(customer.pk),
        status=400 if form.errors else None,
    )
