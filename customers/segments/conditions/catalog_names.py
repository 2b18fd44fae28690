"""Checks that the products, categories and brands of a condition exist, and suggests names while one is written."""

from collections.abc import Iterable

from django.db import connection
from django.utils.translation import gettext as _

from catalog.models import Category, Product
from customers.identity.models import Customer
from customers.segments.conditions.compiler import comparisons
from customers.segments.conditions.parsing import ConditionError, Node, Problem, shown
from customers.segments.models import Segment

SOURCES: dict[str, tuple[type[Product] | type[Category], str]] = {
    "bought.product": (Product, "product_id"),
    "bought.category": (Category, "path"),
    "bought.brand": (Product, "brand"),
}
SUGGESTIONS = 20
TRAITS_FROM_CUSTOMERS = 5000


def check_catalogue_names(node: Node) -> None:
    """One query for each kind of name.

    Raises:
        ConditionError: a product, category or brand is not in the catalogue.
    """
    problems = [problem for name in SOURCES for problem in unknown_names(node, name)]
    if problems:
        raise ConditionError(problems)


def unknown_names(node: Node, field: str) -> list[Problem]:
    places = [
        (f"{comparison.path}.value[{place}]", value)
        for comparison in comparisons(node)
        if comparison.field.name == field
        for place, value in enumerate(comparison.value)
    ]
    if not places:
        return []
    model, column = SOURCES[field]
    wanted = {value for _path, value in places}
    found = set(model.objects.filter(**{f"{column}__in": wanted}).values_list(column, flat=True))
    return [
        Problem(
            path, "unknown_name", _("%(value)s is not in the catalogue.") % {"value": shown(value)} + hint(field, value)
        )
        for path, value in places
        if value not in found
    ]


def hint(field: str, value: str) -> str:
    names = suggest_names(field=field, text=value) or suggest_names(field=field, text=value[:3])
    return " " + _("Did you mean %(names)s?") % {"names": ", ".join(names[:3])} if names else ""


def suggest_names(*, field: str, text: str) -> list[str]:
    """Up to 20 names that hold the text, for a field whose values are names; none for any other field."""
    models: dict[str, tuple[type[Product] | type[Category] | type[Segment] | type[Customer], str]] = {
        **SOURCES,
        "favourite_category": (Category, "path"),
        "favourite_brand": (Product, "brand"),
        "segment": (Segment, "key"),
        "language": (Customer, "language"),
        "country": (Customer, "country"),
    }
    if field not in models or "\0" in text:
        return []
    model, column = models[field]
    names: Iterable[str] = (
        model.objects.filter(**{f"{column}__icontains": text})
        .exclude(**{column: ""})
        .order_by(column)
        .values_list(column, flat=True)
        .distinct()[:SUGGESTIONS]
    )
    return list(names)


def known_traits() -> tuple[str, ...]:
    """Names of the traits that the newest customers have."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT jsonb_object_keys(traits) FROM "
            "(SELECT traits FROM identity_customer WHERE jsonb_typeof(traits) = 'object' ORDER BY id DESC LIMIT %s) AS newest "
            "ORDER BY 1 LIMIT 200",
            [TRAITS_FROM_CUSTOMERS],
        )
        return tuple(name for (name,) in cursor.fetchall() if 0 < len(name) <= 100)
