"""Suggested rules: products that have far more margin and stock than the average, but were not shown by any placement."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.urls import reverse
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Product
from config.foundation.number_formats import format_count, format_percent
from config.foundation.shop.profile import get_time_zone, get_time_zone_name
from config.foundation.slow_figures import get_figures
from recommendations.merchandising.choices import RuleAction
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.editing import save_rule, switch_rules
from recommendations.suggestions.models import SuggestionDecision
from recommendations.suggestions.suggestion import Draft, LaterEffect, Suggestion

DAYS = timedelta(days=28)
MARGIN_FACTOR, STOCK_FACTOR = 1.3, 2.0  # times the average of the products in stock
BOOST = 2
MAX_PRODUCTS = 3
# if the shop has no impressions at all, a product without impressions means nothing
FIND = """
WITH priced AS (
    SELECT p.id, p.product_id, p.title, p.stock, ((p.price - p.cost) / p.price)::float8 AS margin, p.price - p.cost AS profit
    FROM catalog_product p
    WHERE p.is_active AND NOT p.is_draft AND p.availability = 'in_stock' AND p.price > 0 AND p.cost IS NOT NULL AND p.stock > 0
), average AS (SELECT avg(margin) AS margin, avg(stock)::float8 AS stock FROM priced),
shown AS MATERIALIZED (SELECT DISTINCT product_id FROM serving_productperformanceday WHERE day >= %(since)s AND shown > 0)
SELECT p.id, p.title, p.stock, p.margin, a.margin, a.stock
FROM priced p CROSS JOIN average a
WHERE p.margin >= a.margin * %(margin)s AND p.stock >= a.stock * %(stock)s AND EXISTS (SELECT FROM shown)
  AND NOT EXISTS (SELECT FROM shown s WHERE s.product_id = p.product_id)
  AND NOT EXISTS (SELECT FROM merchandising_rule r WHERE r.product_ids @> ARRAY[p.product_id])
ORDER BY p.profit * p.stock DESC, p.id LIMIT %(limit)s
"""
COUNT_SINCE = """
SELECT d.id, coalesce(sum(p.shown) FILTER (WHERE p.currency = ''), 0)::bigint,
       coalesce(sum(p.orders) FILTER (WHERE p.currency <> ''), 0)::bigint
FROM suggestions_suggestiondecision d JOIN merchandising_rule r ON r.id = d.created_id
JOIN serving_productperformanceday p ON p.product_id = ANY(r.product_ids) AND p.day >= (d.decided_at AT TIME ZONE %(zone)s)::date
WHERE d.id = ANY(%(decisions)s) GROUP BY 1
"""
type ProductRow = tuple[int, str, int, float, float, float]


class RuleSuggestions:
    """Boosts of products that are worth showing."""

    key = "rule"
    label = gettext_lazy("Rule")
    permissions = ("merchandising.add_rule",)
    start_permissions = ("merchandising.change_rule",)

    def find(self, *, as_of: datetime) -> list[Suggestion]:
        rows = get_figures("suggestions.rules", list[ProductRow], lambda: find_products(as_of=as_of))
        return [build_suggestion(row) for row in rows]

    def create_draft(self, key: str, *, by: User, now: datetime) -> Draft:
        product = Product.objects.filter(pk=int(key)).first()
        if product is None:
            raise LookupError(key)
        with transaction.atomic():
            Product.objects.select_for_update().get(pk=product.pk)  # a double click waits here
            existing = Rule.objects.filter(product_ids=[product.product_id], action=RuleAction.BOOST).first()
            if existing is not None:
                return Draft(make_rule_url(existing.pk), existing.pk, is_new=False)
            rule = Rule(
                name=(_("Boost: %(product)s") % {"product": product.title})[:200],
                enabled=False,
                action=RuleAction.BOOST,
                factor=BOOST,
                product_ids=[product.product_id],
            )
            save_rule(rule=rule, write_members=lambda: None)
        return Draft(make_rule_url(rule.pk), rule.pk)

    def start(self, draft: Draft, *, by: User, now: datetime) -> None:
        rules = list(Rule.objects.filter(pk=draft.created_id or 0))
        switch_rules(rules=rules, enabled=True, write_members=lambda: None)

    def describe_effects(self, decisions: Sequence[SuggestionDecision], *, as_of: datetime) -> dict[int, LaterEffect]:
        rules = Rule.objects.in_bulk([decision.created_id for decision in decisions if decision.created_id])
        known = [decision for decision in decisions if decision.created_id in rules]
        texts = describe_rules(known, rules)
        return {
            decision.pk: LaterEffect(texts[decision.pk], make_rule_url(decision.created_id or 0)) for decision in known
        }


def make_rule_url(rule_id: int) -> str:
    return reverse("admin:merchandising_rule_change", args=[rule_id])


def find_products(*, as_of: datetime) -> list[ProductRow]:
    values: dict[str, Any] = {
        "since": localdate(as_of - DAYS, get_time_zone()),
        "margin": MARGIN_FACTOR,
        "stock": STOCK_FACTOR,
        "limit": MAX_PRODUCTS,
    }
    with connection.cursor() as cursor:
        cursor.execute(FIND, values)
        return cursor.fetchall()


def build_suggestion(row: ProductRow) -> Suggestion:
    product_id, title, stock, margin, average_margin, average_stock = row
    return Suggestion(
        kind=RuleSuggestions.key,
        key=str(product_id),
        headline=_("No placement has shown “%(product)s” for four weeks") % {"product": title[:200]},
        advice=_(
            "Its margin is %(margin)s (average %(average_margin)s), and %(stock)s are in stock (average %(average_stock)s). A boost lets "
            "placements show it where it fits."
        )
        % {
            "margin": format_percent(margin, 0),
            "average_margin": format_percent(average_margin, 0),
            "stock": format_count(stock),
            "average_stock": format_count(round(average_stock)),
        },
        expectation=_(
            "Its incremental lift cannot be measured, because a rule has no holdout group. The Suggestions page shows the results that follow."
        ),
        value=1.0,
        people_url=reverse("admin:catalog_product_change", args=[product_id]),
        figures={"margin": round(margin, 4), "stock": stock},
    )


def describe_rules(decisions: Sequence[SuggestionDecision], rules: Mapping[int, Rule]) -> dict[int, str]:
    """Return how often the products were shown and ordered since each decision; this is attribution, not effect."""
    values: dict[str, Any] = {"decisions": [decision.pk for decision in decisions], "zone": get_time_zone_name()}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SINCE, values)
        counts = {decision_id: (shown, orders) for decision_id, shown, orders in cursor.fetchall()}
    texts = {}
    for decision in decisions:
        shown, orders = counts.get(decision.pk, (0, 0))
        figures = {"shown": format_count(shown), "orders": format_count(orders)}
        is_enabled = rules[decision.created_id or 0].enabled
        texts[decision.pk] = (
            _("Shown %(shown)s times, %(orders)s orders from placements") % figures if is_enabled else _("Not enabled")
        )
    return texts
