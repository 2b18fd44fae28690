"""The rules and levels of the program: changes are previewed for all customers before they can be saved."""

import logging
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods
from kombu.exceptions import OperationalError

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Column, Table, build_table
from config.foundation.database.advisory_locks import compute_lock_key
from config.foundation.number_formats import format_count
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.loyalty import tasks
from customers.loyalty.backoffice.access import CHANGE_RULES, VIEW_RULES
from customers.loyalty.backoffice.rules_forms import (
    BonusForms,
    LevelForms,
    LevelFormSet,
    LoyaltyRulesForm,
    compute_stored_version,
    hash_values,
    list_initial_bonuses,
    list_initial_levels,
)
from customers.loyalty.levels.levels import RULES_REASON
from customers.loyalty.levels.preview import LevelPreview, preview_levels
from customers.loyalty.models import CategoryBonus, LoyaltyLevel, LoyaltyProgram
from customers.loyalty.program import load_program

logger = logging.getLogger(__name__)
PREVIEW_COLUMNS = (
    Column(key="level", label=gettext_lazy("Level"), align="text"),
    Column(key="now", label=gettext_lazy("Customers now")),
    Column(key="then", label=gettext_lazy("Under these rules")),
    Column(key="rising", label=gettext_lazy("Would move up to it")),
    Column(key="falling", label=gettext_lazy("Would move down to it")),
)


@require_http_methods(["GET", "HEAD", "POST"])
def show_rules(request: HttpRequest) -> HttpResponse:
    """Show the rules; POST with ``action`` shows a preview, or saves what the preview has shown."""
    check_permissions(request, CHANGE_RULES if request.method == "POST" else VIEW_RULES)
    data = request.POST if request.method == "POST" else None
    stored = compute_stored_version()  # before the forms read what is stored: they must not show anything newer
    opened = stored if data is None else data.get("opened", "")
    program = load_program()
    form = LoyaltyRulesForm(data, instance=program)
    levels = cast(LevelFormSet, LevelForms(data, initial=list_initial_levels(), prefix="levels"))
    bonuses = BonusForms(data, initial=list_initial_bonuses(), prefix="bonuses")
    preview, entered, is_outdated = None, "", opened != stored
    if data is not None and all([form.is_valid(), levels.is_valid(), bonuses.is_valid()]) and not is_outdated:
        entered = compute_fingerprint(data)
        if data.get("action") == "save" and data.get("previewed") == entered:
            if save_rules(form, levels, bonuses, opened=opened):
                apply_saved_rules(request)
                return HttpResponseRedirect(reverse("loyalty:rules"))
            is_outdated = True
    if entered and data is not None and not is_outdated:
        program = form.save(commit=False)
        if data.get("action") == "save":
            messages.warning(
                request, _("Nothing has been saved yet. Check the preview of your changes, then save them.")
            )
        preview = preview_levels(program=program, levels=levels.build_levels(), at=timezone.now())
    return render_page(
        request,
        "admin/loyalty/rules.html",
        title=_("Levels and rules"),
        form=form,
        levels=levels,
        bonuses=bonuses,
        preview=build_preview(request, preview) if preview else None,
        previewed=entered,
        opened=opened,
        is_outdated=is_outdated,
        currency=get_amount_currency(),
        may_change=request.user.has_perm(CHANGE_RULES),
        has_levels=LoyaltyLevel.objects.exists(),
        status=400 if data is not None and preview is None else None,
    )


def compute_fingerprint(data: QueryDict) -> str:
    """Return a hash of the entered values, to check on saving that they are the ones of the preview."""
    fields = {name: data.getlist(name) for name in data if name not in ("action", "previewed", "csrfmiddlewaretoken")}
    return hash_values(fields)


def build_preview(request: HttpRequest, preview: list[LevelPreview]) -> Table:
    def format_row(row: LevelPreview) -> dict[str, Any]:
        counts = {name: format_count(getattr(row, name)) for name in ("now", "then", "rising", "falling")}
        return {"level": row.level.label if row.level else _("No level"), **counts}

    return build_table(
        request, preview[::-1], id="preview", label=_("Preview"), columns=PREVIEW_COLUMNS, format_row=format_row
    )


def save_rules(form: LoyaltyRulesForm, levels: LevelFormSet, bonuses: forms.BaseFormSet, *, opened: str) -> bool:
    """Save the rules, levels and bonuses as one change; levels without a name are removed.

    Return whether they were saved: not if they have changed since the form was opened with the version ``opened``, because levels that
    were added since then are not in the form and would be removed.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:  # the row of the program may not exist yet, so it cannot be locked
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [compute_lock_key("loyalty.rules")])
        if compute_stored_version() != opened:
            return False
        program: LoyaltyProgram = form.save()
        if program.is_enabled and program.started_at is None:
            program.started_at = timezone.now()
            program.save(update_fields=["started_at"])
        entered = levels.build_levels()
        for level in LoyaltyLevel.objects.exclude(pk__in=[level.pk for level in entered if level.pk]):
            level.delete()
        for level in entered:
            level.save()
        chosen = {
            row["category"].pk: row["multiplier"]
            for row in bonuses.cleaned_data
            if row.get("category") and (row.get("multiplier") or 1) > 1
        }
        for bonus in CategoryBonus.objects.exclude(category__in=chosen):
            bonus.delete()
        for category_id, multiplier in chosen.items():
            CategoryBonus.objects.update_or_create(category_id=category_id, defaults={"multiplier": multiplier})
    return True


def apply_saved_rules(request: HttpRequest) -> None:
    """Recalculate all members by the new rules in the background."""
    messages.success(
        request,
        _("The rules were saved. Levels are being recalculated in the background; upgrades take effect immediately."),
    )
    try:
        tasks.apply_rules.delay(RULES_REASON)
    except OperationalError as error:
        logger.warning("The loyalty program cannot be recalculated now: %s", error)
        messages.warning(request, _("No worker is available now; the rules take effect at the next nightly run."))
