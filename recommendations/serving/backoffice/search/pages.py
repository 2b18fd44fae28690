"""The search preview and the list of built-in synonyms in the back office."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from config.foundation.backoffice.permissions import check_permissions
from recommendations.serving.backoffice.search.forms import SearchPreviewForm
from recommendations.serving.backoffice.search.order_text import describe_order
from recommendations.serving.backoffice.search.preview import preview_search
from recommendations.serving.search.models import Synonym
from recommendations.serving.search.queries.builtin_synonyms import read_builtin_synonyms
from recommendations.serving.search.request import InvalidSearchError
from recommendations.serving.search.searcher import SearchNotReadyError
from recommendations.serving.search.synonym_table import copy_builtin_synonym

GROUPS_PER_PAGE = 100


def show_preview_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    # the permission that corresponds to the scope recommendations:read
    check_permissions(request, "training.view_modelversion")
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
        "order": describe_order(),
    }
    return TemplateResponse(request, "admin/serving/search_preview.html", context)


def show_builtin_synonyms(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """List the built-in groups; a POST copies one into the shop's own synonyms, to edit or disable it there."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    if request.method == "POST":
        if not (model_admin.has_add_permission(request) and model_admin.has_change_permission(request)):
            raise PermissionDenied
        try:
            synonym = copy_builtin_synonym(request.POST.get("key", ""))
        except KeyError:
            return HttpResponseRedirect(reverse("admin:serving_synonym_builtin"))
        return HttpResponseRedirect(reverse("admin:serving_synonym_change", args=[synonym.pk]))
    search = request.GET.get("q", "").strip().lower()
    copies = dict(Synonym.objects.exclude(builtin_key="").values_list("builtin_key", "pk"))
    groups = [
        (group, copies.get(group.key))
        for group in read_builtin_synonyms()
        if not search or any(search in term.lower() for term in (*group.terms, *group.replacements))
    ]
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": _("Built-in synonyms"),
        "page": Paginator(groups, GROUPS_PER_PAGE).get_page(request.GET.get("page")),
        "search": search,
        "may_copy": model_admin.has_add_permission(request) and model_admin.has_change_permission(request),
    }
    return TemplateResponse(request, "admin/serving/builtin_synonyms.html", context)
