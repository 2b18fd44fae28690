"""The page that adds customers of the list to a static segment: first a preview of their number, then the addition with an undo link."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from config.foundation.backoffice.pages import render_page
from customers.segments.backoffice.customer_list.access import (
    ADD_SEGMENT_PERMISSION,
    CHANGE_SEGMENT_PERMISSION,
    check_list_permissions,
    make_list_url,
)
from customers.segments.backoffice.customer_list.selection import Selection, parse_selection
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.customer_list.additions import MAX_ADDED, TooManyCustomersError, add_to_segment, check_number
from customers.segments.customer_list.list_filter import ListTimeoutError, report_timeouts
from customers.segments.editing import NameTakenError, create_segment
from customers.segments.models import Segment


class AddForm(forms.Form):
    """An existing static segment, or the name of a new one, as the user's permissions allow."""

    segment = forms.ModelChoiceField(
        label=gettext_lazy("Static segment"), queryset=Segment.objects.none(), required=False
    )
    name = forms.CharField(label=gettext_lazy("Name of a new segment"), max_length=200, required=False)

    def __init__(self, *args: Any, may_change: bool, may_create: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        segment: Any = self.fields["segment"]
        segment.queryset = Segment.objects.filter(kind=Segment.Kind.STATIC).order_by("name")
        segment.empty_label = _("A new segment") if may_create else "–"
        if not may_change or not segment.queryset.exists():
            del self.fields["segment"]
        if not may_create:
            del self.fields["name"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        segment, name = cleaned.get("segment"), cleaned.get("name")
        if not self.errors and bool(segment) == bool(name):
            self.add_error(None, _("Choose a segment, or enter the name of a new one."))
        return cleaned


@require_POST
def show_add_page(request: HttpRequest) -> HttpResponse:
    """Show how many customers would be added, and to which segments; with a target, add them."""
    check_list_permissions(request)
    may_change, may_create = map(request.user.has_perm, (CHANGE_SEGMENT_PERMISSION, ADD_SEGMENT_PERMISSION))
    if not (may_change or may_create):
        raise PermissionDenied
    selection, as_of = parse_selection(request), timezone.now()
    is_sent = "confirm" in request.POST
    form = AddForm(request.POST if is_sent else None, may_change=may_change, may_create=may_create)
    total, problem = 0, ""
    try:
        with report_timeouts():
            total = selection.query_customers(as_of=as_of)[: MAX_ADDED + 1].count()
        check_number(total)
    except (ConditionError, ListTimeoutError, TooManyCustomersError) as error:
        problem = str(error)
    if not problem and not total:
        problem = _("No customers are selected. Go back and tick customers, or choose all that match.")
    if is_sent and not problem and form.is_valid() and (response := add_customers(request, form, selection)):
        return response
    return render_page(
        request,
        "admin/segments/customer_list/add.html",
        title=_("Add to a segment"),
        selection=selection,
        form=form,
        total=total,
        problem=problem,
        back=make_list_url(selection.query),
    )


def add_customers(request: HttpRequest, form: AddForm, selection: Selection) -> HttpResponse | None:
    """Add the customers and return to the list with a message; None if the name is taken."""
    as_of = timezone.now()
    segment: Segment | None = form.cleaned_data.get("segment")
    if segment is None:
        try:
            segment = create_segment(
                name=form.cleaned_data["name"],
                description=_("Added from the customers list."),
                kind=Segment.Kind.STATIC,
            )
        except NameTakenError as error:
            form.add_error("name", str(error))
            return None
    addition = add_to_segment(
        segment=segment,
        customers=selection.query_customers(as_of=as_of),
        user=request.user,
        as_of=as_of,
    )
    members = reverse("admin:segments_segment_members", args=[segment.pk])
    if addition is None:
        messages.info(request, _("All of them are already in “%(segment)s”.") % {"segment": segment.name})
    else:
        text = ngettext(
            "%(count)s customer was added to the segment", "%(count)s customers were added to the segment",
            addition.count,
        ) % {"count": number_format(addition.count, force_grouping=True)}  # fmt: skip
        messages.success(
            request,
            format_html(
                '{} <a href="{}">{}</a>. <a href="{}">{}</a>',
                text,
                members,
                segment.name,
                reverse("customer_list:undo", args=[addition.pk]),
                _("Undo"),
            ),
        )
    return HttpResponseRedirect(make_list_url(selection.query))
