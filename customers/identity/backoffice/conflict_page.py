"""The back office's page of one conflict: what was said, who is in it, and the decision."""

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

from customers.identity.backoffice.identifier_labels import (
    kind_name,
    model_counts,
    personal_lines,
    shown_value,
    user_ids,
)
from customers.identity.backoffice.identity_graph import customers_beside
from customers.identity.merging.decisions import (
    AlreadyResolvedError,
    decide_conflict,
    merge_conflicting,
    reopen_conflict,
)
from customers.identity.merging.merge import MergeError, preview_merge
from customers.identity.models import Customer, IdentityConflict

MAY_DECIDE = "identity.change_identityconflict"
MAY_MERGE = "identity.change_customer"
MAY_SEE_PERSONAL = "identity.view_personal"
DECISIONS = {
    "apart": IdentityConflict.Resolution.KEPT_APART,
    "settle": IdentityConflict.Resolution.SETTLED,
}


class PairForm(forms.Form):
    """Which two of a conflict are one person."""

    keep = forms.TypedChoiceField(label=gettext_lazy("kept customer"), coerce=int)
    fold = forms.TypedChoiceField(label=gettext_lazy("is merged into it"), coerce=int)

    def __init__(self, data: Any, *, customer_ids: list[int]) -> None:
        super().__init__(data, initial=dict(zip(("keep", "fold"), customer_ids, strict=False)))
        for name in ("keep", "fold"):
            self.fields[name].choices = [(one, f"#{one}") for one in customer_ids]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("keep") is not None and cleaned.get("keep") == cleaned.get("fold"):
            self.add_error("fold", _("Choose another customer than the kept one."))
        return cleaned


def conflict_page(request: HttpRequest, *, model_admin: ModelAdmin, conflict_id: str) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    conflict = get_object_or_404(IdentityConflict, pk=conflict_id if conflict_id.isdecimal() else None)
    with_personal = request.user.has_perm(MAY_SEE_PERSONAL)
    beside = customers_beside(customer_ids=conflict.customer_ids, with_personal=with_personal)
    form = PairForm(
        request.POST if request.POST.get("do") in ("preview", "merge") else None,
        customer_ids=[one["customer"].pk for one in beside],
    )
    preview = None
    if request.method == "POST":
        if not request.user.has_perm(MAY_DECIDE):
            raise PermissionDenied
        if not form.is_bound:
            return decide(request, conflict)
        if not request.user.has_perm(MAY_MERGE):
            raise PermissionDenied
        if form.is_valid():
            try:
                if request.POST["do"] == "merge":
                    return merge(request, conflict, **form.cleaned_data)
                preview = previewed(form.cleaned_data)
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
                (kind_name(one["kind"]), shown_value(one["kind"], one["value"], with_personal=with_personal))
                for one in conflict.identifiers
            ],
            "beside": beside,
            "rows": beside_rows(beside, with_personal=with_personal),
            "gone": [one for one in conflict.customer_ids if one not in {row["customer"].pk for row in beside}],
            "form": form,
            "preview": preview,
            "is_open": conflict.status == IdentityConflict.Status.OPEN,
            "may_decide": request.user.has_perm(MAY_DECIDE),
            "may_merge": request.user.has_perm(MAY_DECIDE) and request.user.has_perm(MAY_MERGE) and len(beside) > 1,
        },
    )
    add_never_cache_headers(response)
    return response


def beside_rows(beside: list[dict[str, Any]], *, with_personal: bool) -> list[tuple[str, list[Any]]]:
    """A line for each thing that can be compared, with a cell for each customer."""
    rows: list[tuple[str, list[Any]]] = [
        (_("user ids"), [user_ids(one["customer"], with_personal=with_personal) or "–" for one in beside]),
    ]
    if with_personal:
        people = [dict(personal_lines(one["customer"])) for one in beside]
        rows += [(str(name), [person[name] or "–" for person in people]) for name in (people[0] if people else ())]
    for name in ("first_seen_at", "last_seen_at", "language", "country"):
        label = str(Customer._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
        rows.append((label, [getattr(one["customer"], name) or "–" for one in beside]))
    names = dict.fromkeys(name for one in beside for name in one["counts"])
    return rows + [(name, [one["counts"].get(name, 0) for one in beside]) for name in names]


def previewed(pair: dict[str, int]) -> dict[str, Any]:
    moved = preview_merge(kept_id=pair["keep"], folded_id=pair["fold"], at=timezone.now())
    return {**pair, "counts": model_counts(moved), "filled": [*moved["filled"], *moved["filled_traits"]]}


def merge(request: HttpRequest, conflict: IdentityConflict, *, keep: int, fold: int) -> HttpResponse:
    done = merge_conflicting(
        conflict_id=conflict.pk, kept_id=keep, folded_id=fold, at=timezone.now(), by=request.user.get_username()
    )
    messages.success(
        request, _("Customer #%(fold)d is now part of #%(keep)d. It can be undone here.") % {"fold": fold, "keep": keep}
    )
    return HttpResponseRedirect(reverse("admin:identity_identitymerge_change", args=[done.pk]))


def decide(request: HttpRequest, conflict: IdentityConflict) -> HttpResponse:
    do = request.POST.get("do", "")
    try:
        if do == "reopen":
            reopen_conflict(conflict_id=conflict.pk)
        elif do in DECISIONS:
            decide_conflict(
                conflict_id=conflict.pk, resolution=DECISIONS[do], at=timezone.now(), by=request.user.get_username()
            )
    except AlreadyResolvedError as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(request.path)
