"""Limits the length of search and filter texts in the back office: searching for a long text takes the database a very long time."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

SEARCH_PARAMETERS = ("q", "term", "query")  # of lists, of selection lists, and of pages
MAX_SEARCH_LENGTH, MAX_VALUE_LENGTH = 200, 2_000
# a link may carry a whole condition or question, the filters of the list to return to, or the page to open after the log-in
LONG_PARAMETERS = frozenset({"ask", "condition", "_changelist_filters", "next"})

type Handler = Callable[[HttpRequest], HttpResponseBase]


def limit_query_lengths(get_response: Handler) -> Handler:
    """Return middleware that refuses requests to the back office with a parameter that is too long, and names it."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        if request.META.get("QUERY_STRING") and request.path.startswith(reverse("admin:index")):
            for name, values in request.GET.lists():
                most = MAX_SEARCH_LENGTH if name in SEARCH_PARAMETERS else MAX_VALUE_LENGTH
                longest = max(map(len, values), default=0)
                if longest > most and name not in LONG_PARAMETERS:
                    return refuse_value(name, longest, most)
        return get_response(request)

    return handle


def refuse_value(name: str, length: int, most: int) -> HttpResponse:
    text = _("%(name)s has %(length)d characters; the maximum is %(most)d. Go back and use a shorter text.")
    content = text % {"name": name[:100], "length": length, "most": most}
    return HttpResponse(content, status=400, content_type="text/plain; charset=utf-8")
