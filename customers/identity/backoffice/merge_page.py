"""The page of one merge: the customers, the moved rows, and the button that undoes it."""

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

from config.foundation.backoffice.permissions import check_permissions
from customers.identity.backoffice.identifier_labels import label_field, label_model, label_moved_counts
from customers.identity.merging.merge import MergeError
from customers.identity.merging.revert import preview_revert, revert_merge
from customers.identity.models import IdentityMerge

MAY_UNDO = "identity.change_identitymerge"


def render_merge(request: HttpRequest, *, model_admin: ModelAdmin, merge_id: str) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    merge = get_object_or_404(IdentityMerge, pk=merge_id if merge_id.isdecimal() and len(merge_id) < 19 else None)
    restored_counts, problem = None, ""
    if request.method == "POST":
        check_permissions(request, MAY_UNDO)
        try:
            if request.POST.get("do") == "undo":
                return undo_merge(request, merge)
            restored_counts = [
                (label_model(label), count)
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
            "title": _("Merge of customer #%(merged)d into #%(kept)d")
            % {"merged": merge.merged_id, "kept": merge.kept_id},
            "merge": merge,
            "counts": label_moved_counts(merge.moved),
            "filled": label_filled_fields(merge.moved),
            "restored_counts": restored_counts,
            "problem": problem,
            "may_undo": merge.reverted_at is None and request.user.has_perm(MAY_UNDO),
        },
    )
    add_never_cache_headers(response)
    return response


def label_filled_fields(moved: dict[str, Any]) -> list[str]:
    return [label_field(name) for name in (*moved.get("filled", {}), *moved.get("filled_traits", {}))]


def undo_merge(request: HttpRequest, merge: IdentityMerge) -> HttpResponse:
    revert_merge(merge_id=merge.pk, at=timezone.now(), by=request.user.get_username())
    messages.success(
        request,
        _("The merge was undone. Customer #%(merged)d is a separate customer again, and no event will merge the two.")
        % {"merged": merge.merged_id},
    )
    return HttpResponseRedirect(request.path)
