"""The page of the placements: what each shows, why, and what it earned in the last 28 whole days."""

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.backoffice.date_range import parse_date_choice
from config.foundation.backoffice.pages import render_page
from recommendations.serving.backoffice.placements.cards import build_card, describe_all
from recommendations.serving.backoffice.placements.samples import build_samples
from recommendations.serving.backoffice.placements.states import find_placement_states
from recommendations.serving.impressions.comparison import compare_placements, find_requested_today, sum_comparisons
from recommendations.serving.models import PlacementSettings
from recommendations.serving.state.loader import loader

PERFORMANCE_PERMISSION = "serving.view_performanceday"


def show_placements_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    now = timezone.now()
    choice = parse_date_choice({}, today=timezone.localdate(now))
    comparisons = compare_placements(choice) if request.user.has_perm(PERFORMANCE_PERMISSION) else {}
    requested_today = find_requested_today(now=now) if request.user.has_perm(PERFORMANCE_PERMISSION) else set()
    settings = {row.placement: row for row in PlacementSettings.objects.all()}
    states = find_placement_states(loader.get_state(now=now), list(settings.values()))
    samples = build_samples(now=now)
    cards = [
        build_card(state, comparisons.get(name), samples[name], is_requested_today=name in requested_today)
        for name, state in states.items()
    ]
    total = sum_comparisons(comparisons, is_compared=choice.compared is not None)
    return render_page(
        request,
        "admin/serving/placements.html",
        title=_("Placements"),
        verdict=describe_all(cards, total, comparisons),
        cards=[(card, settings.get(card.placement)) for card in cards],
        dates=choice,
        may_pin=request.user.has_perm("merchandising.add_rule"),
        may_see_performance=request.user.has_perm(PERFORMANCE_PERMISSION),
        may_preview=request.user.has_perm("serving.view_preview"),
    )
