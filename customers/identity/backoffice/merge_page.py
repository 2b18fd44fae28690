"""The back office's page of one merge: who became whom, what moved, and undoing it."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _

from customers.identity.backoffice.identifier_labels import field_name, model_counts, model_name
from customers.identity.merging.merge import MergeError, preview_revert, revert_merge
from customers.identity.models import IdentityMerge

MAY_UNDO = "identity.change_identitymerge"


def merge_page(request: HttpRequest, *, model_admin: ModelAdmin, merge_id: str) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    merge = get_object_or_404(IdentityMerge, pk=merge_id if merge_id.isdecimal() else None)
    coming_back, problem = None, ""
    if request.method == "POST":
        if not request.user.has_perm(MAY_UNDO):
            raise PermissionDenied
        try:
            if request.POST.get("do") == "undo":
                return undo(request, merge)
            coming_back = [
                (model_name(label), count)
                for label, count in preview_revert(merge_id=merge.pk, at=timezone.now()).items()
            ]
        except MergeError as error:
            problem = str(error)
    response = TemplateResponse(
        request,
        "admin/identity/merge.html",
        {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.opts,
            "title": _("Merge of customer #%(folded)d into #%(kept)d")
            % {"folded": merge.folded_id, "kept": merge.kept_id},
            "merge": merge,
            "counts": model_counts(merge.moved),
            "filled": filled_names(merge.moved),
            "coming_back": coming_back,
            "problem": problem,
            "may_undo": merge.reverted_at is None and request.user.has_perm(MAY_UNDO),
        },
    )
    add_never_cache_headers(response)
    return response


def filled_names(moved: dict[str, Any]) -> list[str]:
    return [field_name(name) for name in (*moved.get("filled", {}), *moved.get("filled_traits", {}))]


def undo(request: HttpRequest, merge: IdentityMerge) -> HttpResponse:
    revert_merge(merge_id=merge.pk, at=timezone.now(), by=request.user.get_username())
    messages.success(
        request, _("Customer #%(folded)d is separate again. No event will merge the two.") % {"folded": merge.folded_id}
    )
    return HttpResponseRedirect(request.path)
