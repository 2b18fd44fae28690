"""The search preview page of the back office."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from recommendations.serving.backoffice.search.forms import SearchPreviewForm
from recommendations.serving.backoffice.search.preview import preview_search
from recommendations.serving.search.request import InvalidSearchError
from recommendations.serving.search.searcher import SearchNotReadyError


def show_preview_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    # the permission that corresponds to the scope recommendations:read
    if not request.user.has_perm("training.view_modelversion"):
        raise PermissionDenied
    form = SearchPreviewForm(request.GET if request.GET else {"personalised": True})
    result, problem = None, ""
    if form.is_valid():
        try:
            result = preview_search(request=form.make_request(language=get_language() or ""), now=timezone.now())
        except InvalidSearchError as error:
            problem = str(error)
        except SearchNotReadyError:
            problem = _("The search index is loading; try again in a few seconds.")
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": _("Search preview"),
        "form": form,
        "result": result,
        "problem": problem,
        "may_see_synonyms": model_admin.has_view_permission(request),
    }
    return TemplateResponse(request, "admin/serving/search_preview.html", context)
