"""The page Uplift: which customers messages influence, what to do next, and whom not to write to."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import (
    NO_VALUE,
    format_count,
    format_decimals,
    format_money,
    format_whole_money,
    join_sentences,
)
from config.foundation.statistics import ConfidenceInterval
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import CustomerProfile
from customers.segments.editing import NameTakenError
from customers.segments.saved_customers import save_customers
from recommendations.campaigns.backoffice.access import ADD_SEGMENT, CHANGE, VIEW
from recommendations.measurement.presentation.formats import format_interval, format_points, format_signed_money
from recommendations.uplift.action_texts import describe_problem
from recommendations.uplift.backoffice.charts import build_group_chart, build_qini_chart
from recommendations.uplift.kinds.action_kind import Pool
from recommendations.uplift.kinds.registry import KINDS
from recommendations.uplift.models import NO_ACTION_KIND, MessageEffect, UpliftModel, UpliftSettings
from recommendations.uplift.refresh import load_uplift_settings

LEARNERS: Mapping[str, str | Promise] = {
    "t_learner": gettext_lazy("T-learner"),
    "x_learner": gettext_lazy("X-learner"),
    "dr_learner": gettext_lazy("DR-learner"),
}
COLUMNS = (
    Column(key="name", label=gettext_lazy("Learner"), align="text"),
    Column(key="qini", label=gettext_lazy("Qini coefficient")),
    Column(key="interval", label=gettext_lazy("95% interval")),
    Column(key="auuc", label=gettext_lazy("AUUC")),
    Column(key="uplift_30", label=gettext_lazy("Effect in the top 30%, in percentage points")),
)
ACTION_COLUMNS = (
    Column(key="name", label=gettext_lazy("Action"), align="text"),
    Column(key="kind", label=gettext_lazy("Type"), align="text"),
    Column(key="possible", label=gettext_lazy("Eligible customers")),
    Column(key="chosen", label=gettext_lazy("Best for")),
    Column(key="margin", label=gettext_lazy("Margin per buyer")),
)
TITLES: Mapping[Pool, str | Promise] = {
    Pool.MESSAGE: gettext_lazy("Who is influenced by messages"),
    Pool.OFFER: gettext_lazy("Who is influenced by on-site offers"),
}
WRITTEN = [kind.key for kind in KINDS.values() if kind.pool == Pool.MESSAGE]
OTHERS = [NO_ACTION_KIND, *(key for key in KINDS if key not in WRITTEN)]
# what can be saved as a dynamic segment: name, description, condition
SEGMENTS: Mapping[str, tuple[str | Promise, str | Promise, dict[str, Any]]] = {
    "write": (
        gettext_lazy("Send a message: largest incremental margin"),
        gettext_lazy("Customers whose next best action is a campaign or flow."),
        {"field": "next_action", "op": "in", "value": WRITTEN},
    ),
    "do-not-write": (
        gettext_lazy("Do not send a message"),
        gettext_lazy("Customers to whom a message adds less margin than it costs, or less than an on-site offer."),
        {"field": "next_action", "op": "in", "value": OTHERS},
    ),
    "lowers-orders": (
        gettext_lazy("Messages lower orders"),
        gettext_lazy("Customers who, by the measured effect of past campaigns and flows, order less after a message."),
        {"field": "message_effect", "op": "eq", "value": MessageEffect.NEGATIVE.value},
    ),
}


class SettingsForm(forms.ModelForm):
    class Meta:
        model = UpliftSettings
        fields = ("contact_cost", "budget", "max_customers", "exploration_share")


def show_uplift(request: HttpRequest) -> HttpResponse:
    """Show the latest result, and store the settings that a user posts."""
    check_permissions(request, VIEW)
    form = SettingsForm(request.POST or None, instance=load_uplift_settings())
    if request.method == "POST":
        check_permissions(request, CHANGE)
        if form.is_valid():
            form.save()
            messages.success(request, _("Saved. The next refresh uses these settings."))
            return HttpResponseRedirect(reverse("uplift:page"))
    models = {Pool(row.pool): row for row in UpliftModel.objects.filter(key="")}
    model = models.get(Pool.MESSAGE)
    problem = describe_problem(model)
    learned = [row for row in models.values() if not row.problem]
    context: dict[str, Any] = {
        "form": form,
        "can_change": request.user.has_perm(CHANGE),
        "can_save": request.user.has_perm(ADD_SEGMENT),
        "problem": problem,
        "is_computed": model is not None,
        "sections": [build_section(request, row) for row in sorted(learned, key=lambda row: row.pool)],
    }
    if model is not None and learned:
        context |= build_choice(request, model)
        context["sentence"] = join_sentences(section["sentence"] for section in context["sections"])
    return render_page(
        request,
        "admin/uplift/page.html",
        title=_("Uplift"),
        verdict=context.get("sentence", ""),
        as_of=model.computed_at if model else None,
        status=400 if form.is_bound and not form.is_valid() else None,
        **context,
    )


def build_choice(request: HttpRequest, model: UpliftModel) -> dict[str, Any]:
    """Return which actions were chosen, and from which candidates."""
    choice, currency = model.figures["choice"], get_amount_currency()
    actions = model.figures["actions"]
    targets = {(row["kind"], row["key"]): KINDS[row["kind"]].find_target(row["key"]) for row in actions}

    def format_action(row: dict[str, Any]) -> dict[str, Any]:
        kind, target = KINDS[row["kind"]], targets[row["kind"], row["key"]]
        url = reverse(kind.url_name, args=[target.pk]) if target else ""
        return {
            "name": Cell(target.name if target else row["key"], url=url),
            "kind": str(kind.noun),
            "possible": format_count(row["possible"]),
            "chosen": format_count(row["chosen"]),
            "margin": format_money(row["margin"], currency),
        }

    nothing = choice["customers"] - choice["chosen"] - choice["offers"]
    # unknown before the first refresh after an update
    low, high = choice.get("expected_low"), choice.get("expected_high")
    is_known = low is not None and high is not None and low < high
    return {
        "actions": build_table(
            request, actions, id="actions", label=_("Actions"), columns=ACTION_COLUMNS, format_row=format_action
        ),
        "write": format_count(choice["chosen"]),
        "show": format_count(choice["offers"]),
        "leave": format_count(nothing),
        "explored": format_count(choice["explored"]),
        "margin": format_signed_money(choice["expected_margin"], currency),
        "margin_interval": format_interval(
            ConfidenceInterval(choice["expected_margin"], low, high),
            lambda value: format_signed_money(value, currency),
        )
        if is_known
        else "",
        "is_revenue": model.figures.get("is_revenue", False),
        "is_margin_reliable": not is_known or not low <= 0 <= high,
        "cost": format_whole_money(choice["cost"], currency),
    }


def build_section(request: HttpRequest, model: UpliftModel) -> dict[str, Any]:
    """Return what was learned from the actions of a pool."""
    figures, pool = model.figures, Pool(model.pool)
    names = [name for name in LEARNERS if name in figures["learners"]]

    def format_row(name: str) -> dict[str, Any]:
        row = figures["learners"][name]
        return {
            "name": str(LEARNERS[name]) + (f" ({_('used')})" if name == figures["learner"] else ""),
            "qini": format_number(row["qini"]),
            "interval": format_qini_interval(row),
            "auuc": format_number(row["auuc"]),
            "uplift_30": None if row["uplift_30"] is None else format_points(row["uplift_30"]),
        }

    return {
        "pool": pool.value,
        "title": TITLES[pool],
        "sentence": describe_result(pool, figures),
        "qini_chart": build_qini_chart(figures["curve"]),
        "group_chart": build_group_chart(figures["groups"], pool),
        "learners": build_table(
            request,
            names,
            id=f"learners-{pool.value}",
            label=_("Learners"),
            columns=COLUMNS,
            format_row=format_row,
        ),
    }


def describe_result(pool: Pool, figures: Mapping[str, Any]) -> str:
    """Return what the Qini coefficient of the used learner shows."""
    qini = figures["learners"][figures["learner"]]
    is_shown = (qini["low"] or 0) > 0
    if pool == Pool.OFFER:
        if is_shown:
            return _(
                "It matters who sees an on-site offer: a ranking by predicted effect finds more additional orders."
            )
        return _("There is no evidence yet that it matters who sees an on-site offer.")
    if is_shown:
        return _(
            "It matters whom you message: a ranking by predicted effect finds more additional orders than a random one."
        )
    return _(
        "There is no evidence yet that it matters whom you message: the ranking may be no better than a random one."
    )


def format_number(value: float | None) -> str:
    """Return a coefficient with three decimals."""
    if value is None:
        return NO_VALUE
    text = format_decimals(abs(value), 3)
    return f"−{text}" if round(value, 3) < 0 else text


def format_qini_interval(row: Mapping[str, Any]) -> str:
    if None in (row["qini"], row["low"], row["high"]):
        return NO_VALUE
    return format_interval(ConfidenceInterval(row["qini"], row["low"], row["high"]), format_number)


@require_POST
def save_segment(request: HttpRequest, kind: str) -> HttpResponse:
    """Save the customers of a suggestion as a dynamic segment."""
    check_permissions(request, VIEW, ADD_SEGMENT)
    name, description, condition = SEGMENTS[kind]
    try:
        segment = save_customers(
            name=str(name),
            description=str(description),
            customers=CustomerProfile.objects.none(),
            condition=condition,
            as_of=timezone.now(),
        )
    except NameTakenError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("uplift:page"))
    messages.success(request, _("Segment saved. It is updated every night."))
    return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment.pk]))
