"""The page of one identity conflict: the disputed identifiers, the customers side by side, and the decision."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.audit_log import record_access
from config.foundation.backoffice.permissions import check_permissions
from customers.identity.backoffice.identifier_labels import (
    join_user_ids,
    label_identifier_type,
    label_moved_counts,
    list_personal_fields,
    mask_identifier,
)
from customers.identity.backoffice.identity_graph import compare_customers
from customers.identity.merging.decisions import (
    AlreadyResolvedError,
    decide_conflict,
    merge_conflicting,
    reopen_conflict,
)
from customers.identity.merging.merge import MergeError, preview_merge
from customers.identity.models import Customer, IdentityConflict
from customers.identity.personal_data.masking import may_see_personal

MAY_DECIDE = "identity.change_identityconflict"
MAY_MERGE = "identity.change_customer"
RESOLUTIONS = {
    "apart": IdentityConflict.Resolution.KEPT_APART,
    "settle": IdentityConflict.Resolution.SETTLED,
}


class MergePairForm(forms.Form):
    """Selects the two customers of a conflict to merge."""

    keep = forms.TypedChoiceField(label=gettext_lazy("customer to keep"), coerce=int)
    merge = forms.TypedChoiceField(label=gettext_lazy("customer to merge"), coerce=int)

    def __init__(self, data: Any, *, customer_ids: list[int]) -> None:
        super().__init__(data, initial=dict(zip(("keep", "merge"), customer_ids, strict=False)))
        for name in ("keep", "merge"):
            self.fields[name].choices = [(pk, f"#{pk}") for pk in customer_ids]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("keep") is not None and cleaned.get("keep") == cleaned.get("merge"):
            self.add_error("merge", _("Choose a customer other than the one to keep."))
        return cleaned


def render_conflict(request: HttpRequest, *, model_admin: ModelAdmin, conflict_id: str) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    conflict = get_object_or_404(
        IdentityConflict, pk=conflict_id if conflict_id.isdecimal() and len(conflict_id) < 19 else None
    )
    with_personal = may_see_personal(request)
    if with_personal:
        record_access(model=Customer, pks=conflict.customer_ids)
    columns = compare_customers(customer_ids=conflict.customer_ids, with_personal=with_personal)
    form = MergePairForm(
        request.POST if request.POST.get("do") in ("preview", "merge") else None,
        customer_ids=[column["customer"].pk for column in columns],
    )
    preview = None
    if request.method == "POST":
        check_permissions(request, MAY_DECIDE)
        if not form.is_bound:
            return resolve_conflict(request, conflict)
        check_permissions(request, MAY_MERGE)
        if form.is_valid():
            try:
                if request.POST["do"] == "merge":
                    return merge_pair(request, conflict, **form.cleaned_data)
                preview = preview_pair(form.cleaned_data)
            except (MergeError, AlreadyResolvedError) as error:
                messages.error(request, str(error))
                return HttpResponseRedirect(request.path)
    response = TemplateResponse(
        request,
        "admin/identity/conflict.html",
        {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.opts,
            "title": _("Identity conflict %(number)s") % {"number": f"#{conflict.pk}"},
            "conflict": conflict,
            "identifiers": [
                (
                    label_identifier_type(identifier["kind"]),
                    mask_identifier(identifier["kind"], identifier["value"], with_personal=with_personal),
                )
                for identifier in conflict.identifiers
            ],
            "columns": columns,
            "rows": build_comparison_rows(columns, with_personal=with_personal),
            "missing": find_missing_ids(conflict, columns),
            "form": form,
            "preview": preview,
            "is_open": conflict.status == IdentityConflict.Status.OPEN,
            "may_decide": request.user.has_perm(MAY_DECIDE),
            "may_merge": request.user.has_perm(MAY_DECIDE) and request.user.has_perm(MAY_MERGE) and len(columns) > 1,
        },
    )
    add_never_cache_headers(response)
    return response


def find_missing_ids(conflict: IdentityConflict, columns: list[dict[str, Any]]) -> list[int]:
    """Return the ids of customers of the conflict that no longer exist."""
    existing = {column["customer"].pk for column in columns}
    return [customer_id for customer_id in conflict.customer_ids if customer_id not in existing]


def build_comparison_rows(columns: list[dict[str, Any]], *, with_personal: bool) -> list[tuple[str, list[Any]]]:
    """Return a row for each property, with a cell for each customer."""
    customers = [column["customer"] for column in columns]
    rows: list[tuple[str, list[Any]]] = [
        (_("user IDs"), [join_user_ids(customer, with_personal=with_personal) or "–" for customer in customers]),
    ]
    if with_personal:
        fields = [dict(list_personal_fields(customer)) for customer in customers]
        rows += [(str(name), [values[name] or "–" for values in fields]) for name in (fields[0] if fields else ())]
    for name in ("first_seen_at", "last_seen_at", "language", "country"):
        label = str(Customer._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
        rows.append((label, [getattr(customer, name) or "–" for customer in customers]))
    names = dict.fromkeys(name for column in columns for name in column["counts"])
    return rows + [(name, [column["counts"].get(name, 0) for column in columns]) for name in names]


def preview_pair(pair: dict[str, int]) -> dict[str, Any]:
    moved = preview_merge(kept_id=pair["keep"], merged_id=pair["merge"], at=timezone.now())
    return {**pair, "counts": label_moved_counts(moved), "filled": [*moved["filled"], *moved["filled_traits"]]}


def merge_pair(request: HttpRequest, conflict: IdentityConflict, *, keep: int, merge: int) -> HttpResponse:
    identity_merge = merge_conflicting(
        conflict_id=conflict.pk, kept_id=keep, merged_id=merge, at=timezone.now(), by=request.user.get_username()
    )
    messages.success(
        request,
        _("Customer #%(merge)d was merged into #%(keep)d. You can undo the merge here.")
        % {"merge": merge, "keep": keep},
    )
    return HttpResponseRedirect(reverse("admin:identity_identitymerge_change", args=[identity_merge.pk]))


def resolve_conflict(request: HttpRequest, conflict: IdentityConflict) -> HttpResponse:
    do = request.POST.get("do", "")
    try:
        if do == "reopen":
            reopen_conflict(conflict_id=conflict.pk)
        elif do in RESOLUTIONS:
            decide_conflict(
                conflict_id=conflict.pk, resolution=RESOLUTIONS[do], at=timezone.now(), by=request.user.get_username()
            )
    except AlreadyResolvedError as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(request.path)
