"""Coupon pools: their codes are imported or generated, and used by messages."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_http_methods, require_safe

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_moment, format_whole_percent
from recommendations.messaging.backoffice.access import ADD_POOL, CHANGE_POOL, DELETE_POOL, VIEW_POOL
from recommendations.messaging.backoffice.forms import GenerateCodesForm, ImportCodesForm, PoolForm
from recommendations.messaging.coupons.pool_deletion import PoolInUseError, delete_pool
from recommendations.messaging.coupons.pools import (
    AddedCodes,
    CouponFileError,
    add_codes,
    count_codes,
    describe_state,
    generate_codes,
    is_expired,
    read_codes,
)
from recommendations.messaging.models import CouponPool


@require_safe
def show_pools(request: HttpRequest) -> HttpResponse:
    check_permissions(request, VIEW_POOL)
    now = timezone.now()
    table = build_table(
        request,
        count_codes(CouponPool.objects.all()),
        id="pools",
        label=_("Coupons"),
        columns=[
            Column(key="name", label=pgettext("thing", "Name"), sort="name", align="text"),
            Column(key="key", label=_("key"), sort="key", align="text"),
            Column(key="state", label=_("State"), align="text"),
            Column(key="free", label=_("Codes left"), sort="free"),
            Column(key="total", label=_("All codes"), sort="total"),
            Column(key="redeemed", label=_("Redeemed"), sort="redeemed_count"),
            Column(key="expires_at", label=_("Expires"), sort="expires_at", align="text"),
        ],
        format_row=lambda pool: {
            "name": Cell(pool.name, url=reverse("message_templates:coupon-pool", args=[pool.pk])),
            "key": pool.key,
            "state": describe_state(pool, now=now)[0],
            "free": format_count(pool.free),
            "total": format_count(pool.total),
            "redeemed": format_count(pool.redeemed_count),
            "expires_at": format_moment(pool.expires_at),
        },
        default_sort="name",
    )
    return render_page(
        request, "admin/messaging/pools.html", title=_("Coupons"), table=table, may_add=request.user.has_perm(ADD_POOL)
    )


@require_http_methods(["GET", "HEAD", "POST"])
def add_pool(request: HttpRequest) -> HttpResponse:
    check_permissions(request, ADD_POOL)
    form = PoolForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        pool = form.save()
        return HttpResponseRedirect(reverse("message_templates:coupon-pool", args=[pool.pk]))
    return render_page(
        request, "admin/messaging/new.html", title=_("New coupon pool"), form=form, status=400 if form.errors else None
    )


@require_http_methods(["GET", "HEAD", "POST"])
def show_pool(request: HttpRequest, pool_id: int) -> HttpResponse:
    """Show a pool; POST with ``action`` imports, generates, saves or deletes."""
    action = request.POST.get("action", "")
    changes = DELETE_POOL if action == "delete" else CHANGE_POOL
    check_permissions(request, changes if request.method == "POST" else VIEW_POOL)
    pool = get_object_or_404(count_codes(CouponPool.objects.all()), pk=pool_id)
    if action == "delete":
        return remove_pool(request, pool)
    form = PoolForm(request.POST if action == "save" else None, instance=pool)
    import_form = ImportCodesForm(request.POST, request.FILES) if action == "import" else ImportCodesForm()
    generate_form = GenerateCodesForm(request.POST) if action == "generate" else GenerateCodesForm()
    if action == "save" and form.is_valid():
        form.save()
        messages.success(request, _("The settings were saved."))
        return HttpResponseRedirect(request.path)
    if action == "import" and import_form.is_valid():
        try:
            report_added(request, pool, add_codes(pool=pool, codes=read_codes(import_form.cleaned_data["file"])))
            return HttpResponseRedirect(request.path)
        except CouponFileError as error:
            import_form.add_error("file", str(error))
    if action == "generate" and generate_form.is_valid():
        values = generate_form.cleaned_data
        report_added(
            request,
            pool,
            add_codes(pool=pool, codes=generate_codes(count=values["count"], prefix=values["code_prefix"])),
        )
        return HttpResponseRedirect(request.path)
    now = timezone.now()
    state, kind = describe_state(pool, now=now)
    return render_page(
        request,
        "admin/messaging/pool.html",
        title=pool.name,
        pool=pool,
        state=state,
        kind=kind,
        is_expired=is_expired(pool, now=now),
        redeemed_share=_("%(share)s of those handed out")
        % {"share": format_whole_percent(pool.redeemed_count / pool.claimed_count if pool.claimed_count else None)},
        form=form,
        import_form=import_form,
        generate_form=generate_form,
        may_change=request.user.has_perm(CHANGE_POOL),
        may_delete=request.user.has_perm(DELETE_POOL) and not pool.claimed_count,
        status=400 if form.errors or import_form.errors or generate_form.errors else None,
    )


def remove_pool(request: HttpRequest, pool: CouponPool) -> HttpResponse:
    """Delete a pool and go to the list, or show why it cannot be deleted."""
    try:
        delete_pool(pool.pk)
    except PoolInUseError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(request.path)
    messages.success(request, _("The pool “%(name)s” was deleted.") % {"name": pool.name})
    return HttpResponseRedirect(reverse("message_templates:coupons"))


def report_added(request: HttpRequest, pool: CouponPool, added: AddedCodes) -> None:
    """Record the addition in the audit log, and show it."""
    record_action("coupons.added", instance=pool, details={"added": added.added, "repeated": added.repeated})
    text = ngettext("%(count)s code was added.", "%(count)s codes were added.", added.added)
    text %= {"count": format_count(added.added)}
    if added.repeated:
        text += " " + _("Already in the pool: %(count)s.") % {"count": format_count(added.repeated)}
    messages.success(request, text)
