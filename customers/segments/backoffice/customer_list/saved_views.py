"""Saved views of the customers list: everyone saves their own, may share them with the team, and deletes only their own."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_POST

from customers.segments.backoffice.customer_list.access import check_list_permissions, make_list_url, parse_query
from customers.segments.customer_list.list_filter import ListFilter, drop_search
from customers.segments.customer_list.pages import DEFAULT_SORT, clean_sort
from customers.segments.models import CustomerListView

SORT_PARAMETER = "customers_sort"
MAX_VIEWS = 50
DELETE_PERMISSION = "segments.delete_customerlistview"


class SaveViewForm(forms.Form):
    name = forms.CharField(label=pgettext_lazy("thing", "Name"), max_length=100)
    is_shared = forms.BooleanField(label=gettext_lazy("Share with the team"), required=False)


@dataclass(frozen=True)
class ViewLink:
    """A saved view as a tab. is_own: whether the user may change or delete it."""

    label: str
    url: str
    is_current: bool
    pk: int | None = None
    is_shared: bool = False
    is_own: bool = False


def list_views(request: HttpRequest, *, list_filter: ListFilter, sort: str) -> dict[str, Any]:
    """Return the views as tabs, the current one, and the form that saves one.

    A view is the current one if the list has its filter and order.
    """
    may_delete = request.user.has_perm(DELETE_PERMISSION)
    views = CustomerListView.objects.filter(Q(owner=request.user.pk) | Q(is_shared=True))[:MAX_VIEWS]
    parameters = make_view_parameters(list_filter, sort)
    links = [
        ViewLink(
            label=view.name,
            url=make_list_url(urlencode(view.parameters)),
            is_current=not list_filter.search and view.parameters == parameters,
            pk=view.pk,
            is_shared=view.is_shared,
            is_own=view.owner_id == request.user.pk or may_delete,
        )
        for view in views
    ]
    everyone = ViewLink(_("All customers"), make_list_url(""), list_filter.is_empty and sort == DEFAULT_SORT)
    return {
        "views": [everyone, *links],
        "current_view": next((link for link in links if link.is_current and link.is_own), None),
        "view_form": SaveViewForm(auto_id="view_%s"),
    }


def make_view_parameters(list_filter: ListFilter, sort: str) -> dict[str, str]:
    """Return what a view stores; the search text can be personal, so it is left out."""
    order = {} if sort == DEFAULT_SORT else {SORT_PARAMETER: sort}
    return drop_search(list_filter).to_parameters() | order


@require_POST
def save_view(request: HttpRequest) -> HttpResponse:
    """Save the filter and the order under a name; the user's own view with this name is replaced."""
    check_list_permissions(request)
    list_filter, form = parse_query(request.POST.get("query", "")), SaveViewForm(request.POST)
    sort = clean_sort(request.POST.get(SORT_PARAMETER, ""))
    parameters = make_view_parameters(list_filter, sort)
    if not form.is_valid():
        messages.error(request, _("Enter a name of at most 100 characters for the view."))
        return HttpResponseRedirect(make_list_url(urlencode(parameters)))
    _view, is_new = CustomerListView.objects.update_or_create(
        owner_id=request.user.pk,
        name=form.cleaned_data["name"],
        defaults={"parameters": parameters, "is_shared": form.cleaned_data["is_shared"]},
    )
    text = _("The view “%(name)s” was saved.") if is_new else _("The view “%(name)s” was updated.")
    messages.success(request, text % {"name": form.cleaned_data["name"]})
    return HttpResponseRedirect(make_list_url(urlencode(parameters)))


@require_POST
def delete_view(request: HttpRequest, view_id: int) -> HttpResponse:
    """Delete a view of the user, or any shared one with the permission."""
    check_list_permissions(request)
    view = get_object_or_404(CustomerListView, pk=view_id)
    if view.owner_id != request.user.pk and not (view.is_shared and request.user.has_perm(DELETE_PERMISSION)):
        raise PermissionDenied
    view.delete()
    messages.success(request, _("The view “%(name)s” was deleted.") % {"name": view.name})
    return HttpResponseRedirect(make_list_url(""))
