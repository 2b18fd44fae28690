"""The page that saves the filter of the customers list as a dynamic segment."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.number_formats import join_label
from customers.segments.backoffice.customer_list.access import (
    ADD_SEGMENT_PERMISSION,
    check_list_permissions,
    make_list_url,
)
from customers.segments.backoffice.save_customers_page import SaveSegmentForm
from customers.segments.conditions.condition_labels import describe_condition
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.customer_list.list_filter import ListFilter, ListFilterError, parse_list_filter
from customers.segments.customer_list.quick_filters import QUICK_FILTERS
from customers.segments.editing import NameTakenError, check_condition, create_segment
from customers.segments.membership import count_members, preview_condition
from customers.segments.models import Segment


def show_save_filter_page(request: HttpRequest) -> HttpResponse:
    """Show the conditions in words and how many customers match; on POST, save them as a dynamic segment."""
    check_list_permissions(request, ADD_SEGMENT_PERMISSION)
    as_of = timezone.now()
    context: dict[str, Any] = {"problem": "", "back": make_list_url(request.GET.urlencode())}
    try:
        list_filter = parse_list_filter(request.GET.dict())
        context |= {
            "lines": describe_condition(list_filter.to_condition()),
            "total": preview_condition(condition=list_filter.to_condition(), key="", sample=0, as_of=as_of).count,
        }
    except (ListFilterError, ConditionError) as error:
        return render_page(
            request,
            "admin/segments/customer_list/save_filter.html",
            title=_("Save as a segment"),
            **context | {"problem": str(error)},
        )
    form = SaveSegmentForm(request.POST or None, initial={"name": make_name(list_filter)})
    if request.method == "POST" and form.is_valid() and (segment := save_filter(form, list_filter)):
        size = segment.size or 0
        text = ngettext("Segment saved with %(count)s customer.", "Segment saved with %(count)s customers.", size)
        messages.success(request, text % {"count": number_format(size, force_grouping=True)})
        return HttpResponseRedirect(reverse("admin:segments_segment_overview", args=[segment.pk]))
    return render_page(
        request,
        "admin/segments/customer_list/save_filter.html",
        title=_("Save as a segment"),
        form=form,
        search=list_filter.search,
        **context,
    )


def make_name(list_filter: ListFilter) -> str:
    """Return a name that distinguishes the filter: the labels of the quick filters, then the conditions."""
    quick = [
        join_label(QUICK_FILTERS[name].label, QUICK_FILTERS[name].choices[key].label)
        for name, key in list_filter.quick.items()
    ]
    lines = describe_condition(list_filter.condition) if list_filter.condition else []
    return ", ".join([*quick, *lines])[:200]


def save_filter(form: SaveSegmentForm, list_filter: ListFilter) -> Segment | None:
    """Create and count the segment; return None if the form has an error."""
    as_of, condition = timezone.now(), list_filter.to_condition()
    check_condition(condition=condition, key="", as_of=as_of)
    try:
        segment = create_segment(
            name=form.cleaned_data["name"], description=_("Saved from the customers list."), condition=condition
        )
    except NameTakenError as error:
        form.add_error("name", str(error))
        return None
    count_members(segment=segment, as_of=as_of)
    return segment
