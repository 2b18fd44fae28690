"""The back office's page that tries a search."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from recommendations.serving.backoffice.search.forms import SearchPreviewForm
from recommendations.serving.backoffice.search.preview import preview
from recommendations.serving.rest.search.request import WrongSearchError
from recommendations.serving.search.searcher import NotReadyError


def preview_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    if not request.user.has_perm("training.view_modelversion"):  # what recommendations:read amounts to
        raise PermissionDenied
    form = SearchPreviewForm(request.GET if request.GET else {"personalised": True})
    shown, problem = None, ""
    if form.is_valid():
        try:
            shown = preview(request=form.request(language=get_language() or ""), now=timezone.now())
        except WrongSearchError as error:
            problem = str(error)
        except NotReadyError:
            problem = _("The search is reading the products; try again in a few seconds.")
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": _("Search preview"),
        "form": form,
        "shown": shown,
        "problem": problem,
        "may_see_synonyms": model_admin.has_view_permission(request),
    }
    return TemplateResponse(request, "admin/serving/search_preview.html", context)
