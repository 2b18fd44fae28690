"""The endpoint of the search dialog: results as options of a list box."""

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from config.foundation.backoffice.search import search_everything


@require_GET
@staff_member_required
def show_search_results(request: HttpRequest) -> HttpResponse:
    """Render what is found for the parameter ``q``."""
    text = request.GET.get("q", "").replace("\0", "")
    return render(
        request, "backoffice/search_results.html", {"text": text.strip(), "groups": search_everything(request, text)}
    )
