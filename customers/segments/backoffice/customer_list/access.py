"""Who may do what with the customers list, and the filter that its pages pass on."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from config.foundation.backoffice.permissions import check_permissions
from customers.segments.customer_list.list_filter import ListFilter, ListFilterError, parse_list_filter

VIEW_PERMISSION = "lifecycle.view_customerprofile"
EXPORT_PERMISSION = "segments.export_customers"
ADD_SEGMENT_PERMISSION = "segments.add_segment"
CHANGE_SEGMENT_PERMISSION = "segments.change_segment"
VIEW_SEGMENT_PERMISSION = "segments.view_segment"


def check_list_permissions(request: HttpRequest, *permissions: str) -> None:
    """Raise PermissionDenied unless the user may view the list and has all permissions."""
    check_permissions(request, VIEW_PERMISSION, *permissions)


def parse_query(query: str) -> ListFilter:
    """Return the filter of a query string from a form; PermissionDenied if it is invalid, because no page produces such a form."""
    try:
        return parse_list_filter(QueryDict(query).dict())
    except ListFilterError as error:
        raise PermissionDenied from error


def make_list_url(query: str) -> str:
    url = reverse("customer_list:list")
    return f"{url}?{query}" if query else url
