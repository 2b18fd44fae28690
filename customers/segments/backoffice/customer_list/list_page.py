"""The customers list: one table of all customers with filters, saved views and bulk actions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Column, TableColumn, UrlBuilder, build_column
from customers.identity.models import Customer
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.models import CustomerProfile
from customers.segments.backoffice.customer_list.access import (
    ADD_SEGMENT_PERMISSION,
    CHANGE_SEGMENT_PERMISSION,
    EXPORT_PERMISSION,
    VIEW_SEGMENT_PERMISSION,
    check_list_permissions,
    make_list_url,
)
from customers.segments.backoffice.customer_list.rows import make_rows
from customers.segments.backoffice.customer_list.saved_views import list_views
from customers.segments.backoffice.forms import ConditionFormField, ConditionWidget
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.customer_list.list_filter import (
    ListFilter,
    ListFilterError,
    ListTimeoutError,
    parse_list_filter,
    query_listed,
    report_timeouts,
)
from customers.segments.customer_list.pages import MAX_PAGED, CustomerPage, clean_sort, cut_page
from customers.segments.customer_list.quick_filters import QUICK_FILTERS

SORT_PARAMETER = "customers_sort"
PAGE_PARAMETER = "customers_page"
COLUMNS = (
    Column(key="customer", label=gettext_lazy("Customer"), sort="pk", align="text"),
    Column(key="stage", label=gettext_lazy("Stage"), align="text"),
    Column(key="value", label=gettext_lazy("Predicted value"), sort="value"),
    Column(key="last_order", label=gettext_lazy("Last order"), sort="last_order"),
    Column(key="churn", label=gettext_lazy("Churn risk"), sort="churn"),
)
SEGMENTS_COLUMN = Column(key="segments", label=gettext_lazy("Segments"), align="text")


class ConditionForm(forms.Form):
    """The condition builder of segments, with the condition of the list."""

    condition = ConditionFormField(required=False, widget=ConditionWidget(attrs={"rows": 8, "cols": 80}))


@dataclass(frozen=True)
class QuickField:
    """A quick filter as the form shows it: (key, label, whether it is chosen)."""

    name: str
    label: str | Promise
    choices: list[tuple[str, str | Promise, bool]]


def show_list(request: HttpRequest) -> HttpResponse:
    """Show the customers of the URL; a POST of the filter form redirects to its URL, which can be shared."""
    check_list_permissions(request)
    if request.method == "POST":
        return redirect_to_filter(request)
    as_of = timezone.now()
    list_filter, sort = ListFilter(), clean_sort(request.GET.get(SORT_PARAMETER, ""))
    page, problems = CustomerPage([], 1, 1, 0, False), []
    try:
        list_filter = parse_list_filter(request.GET.dict())
        with report_timeouts():
            page = cut_page(
                query_listed(list_filter, as_of=as_of),
                sort=sort,
                number=parse_number(request.GET.get(PAGE_PARAMETER, "")),
                unset_fields=list_filter.find_unset_fields(),
            )
    except ListFilterError as error:
        problems = error.problems
    except ConditionError as error:
        problems = [_("The conditions are not valid: %(reason)s") % {"reason": error}]
    except ListTimeoutError as error:
        problems = [str(error)]
    with_segments = request.user.has_perm(VIEW_SEGMENT_PERMISSION)
    has_profiles = bool(page.total) or CustomerProfile.objects.exists()
    lacks_profiles = not has_profiles and Customer.objects.exists()
    return render_page(
        request,
        "admin/segments/customer_list/list.html",
        title=_("All customers"),
        verdict="" if problems or lacks_profiles else describe_number(page, list_filter),
        problems=problems,
        list_filter=list_filter,
        query=list_filter.query,
        quick_fields=make_quick_fields(request.GET),
        search=request.GET.get("q", ""),
        form=make_condition_form(request.GET.get("condition", "")) if with_segments else None,
        has_profiles=has_profiles,
        lacks_profiles=lacks_profiles,
        page=page,
        max_paged=MAX_PAGED,
        sort=sort,
        columns=make_columns(request, sort, with_segments=with_segments),
        rows=make_rows(page.ids, as_of=as_of, with_personal=may_see_personal(request), with_segments=with_segments),
        with_segments=with_segments,
        **make_page_links(request, page),
        **list_views(request, list_filter=list_filter, sort=sort),
        can_export=request.user.has_perm(EXPORT_PERMISSION),
        can_add=request.user.has_perm(CHANGE_SEGMENT_PERMISSION) or request.user.has_perm(ADD_SEGMENT_PERMISSION),
        can_save_filter=request.user.has_perm(ADD_SEGMENT_PERMISSION) and not list_filter.is_empty,
    )


def redirect_to_filter(request: HttpRequest) -> HttpResponse:
    """Redirect to the URL of the filter in the form; a valid condition loses its line breaks, an invalid filter stays unchanged."""
    names = [*QUICK_FILTERS, "condition", "q"]
    values = {name: request.POST.get(name, "").strip() for name in names}
    sort = request.POST.get(SORT_PARAMETER, "")
    try:
        query = parse_list_filter(values).to_parameters()
    except ListFilterError:
        query = {name: value for name, value in values.items() if value}
    return HttpResponseRedirect(make_list_url(urlencode(query | ({SORT_PARAMETER: sort} if sort else {}))))


def show_count(request: HttpRequest) -> HttpResponse:
    """Return the exact number of customers, for lists that are too long to page through."""
    check_list_permissions(request)
    try:
        with report_timeouts():
            number = count_listed(parse_list_filter(request.GET.dict()), as_of=timezone.now())
    except (ListFilterError, ListTimeoutError, ConditionError) as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    return HttpResponse(label_number(number), content_type="text/plain; charset=utf-8")


def count_listed(list_filter: ListFilter, *, as_of: datetime) -> int:
    """Count the customers of the list; without a filter, only the index of the profiles is read."""
    if list_filter.is_empty:
        return CustomerProfile.objects.count()
    return query_listed(list_filter, as_of=as_of).count()


def label_number(number: int) -> str:
    return ngettext("%(count)s customer", "%(count)s customers", number) % {
        "count": number_format(number, force_grouping=True)
    }


def describe_number(page: CustomerPage, list_filter: ListFilter) -> str:
    """Return one sentence on how many customers the list has."""
    values = {"count": number_format(page.total, force_grouping=True)}
    if page.is_capped and list_filter.is_empty:
        return _("More than %(count)s customers.") % values
    if page.is_capped:
        return _("More than %(count)s customers match this filter.") % values
    if list_filter.is_empty:
        return ngettext("%(count)s customer in total.", "%(count)s customers in total.", page.total) % values
    return (
        ngettext("%(count)s customer matches this filter.", "%(count)s customers match this filter.", page.total)
        % values
    )


def make_quick_fields(parameters: Mapping[str, Any]) -> list[QuickField]:
    return [
        QuickField(
            name,
            quick_filter.label,
            [
                ("", quick_filter.any_label, not parameters.get(name)),
                *((key, choice.label, parameters.get(name) == key) for key, choice in quick_filter.choices.items()),
            ],
        )
        for name, quick_filter in QUICK_FILTERS.items()
    ]


def make_condition_form(text: str) -> ConditionForm:
    """Return the form with the condition of the URL; what is not valid JSON is shown as it is."""
    form = ConditionForm(initial={"condition": {"all": []}})
    return ConditionForm(data={"condition": text}) if text else form


def make_columns(request: HttpRequest, sort: str, *, with_segments: bool) -> list[TableColumn]:
    url = UrlBuilder(request.GET, "customers")
    columns = [*COLUMNS, SEGMENTS_COLUMN] if with_segments else COLUMNS
    return [build_column(column, sort, url) for column in columns]


def make_page_links(request: HttpRequest, page: CustomerPage) -> dict[str, Any]:
    url = UrlBuilder(request.GET, "customers")
    return {
        "previous_url": url.set(page=str(page.number - 1)) if page.number > 1 else "",
        "next_url": url.set(page=str(page.number + 1)) if page.number < page.pages else "",
    }


def parse_number(text: str) -> int:
    """Return a page number, or 1 if it is missing or not valid."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1
