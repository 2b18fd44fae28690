"""Checks that the products, categories and brands of a condition exist, and suggests names."""

from collections.abc import Iterable

from django.db import connection
from django.utils.translation import gettext as _

from catalog.models import Category, Product
from customers.identity.models import Customer
from customers.segments.conditions.compiler import list_comparisons
from customers.segments.conditions.condition_tree import ConditionError, ConditionProblem, Node
from customers.segments.conditions.fields import FIELDS
from customers.segments.conditions.value_parsing import format_json
from customers.segments.models import EventSeries, Segment

COLUMN_OF_ABOUT: dict[str, tuple[type[Product] | type[Category], str]] = {
    EventSeries.About.PRODUCT: (Product, "product_id"),
    EventSeries.About.CATEGORY: (Category, "path"),
    EventSeries.About.BRAND: (Product, "brand"),
}
MAX_SUGGESTIONS = 20
SAMPLED_CUSTOMERS = 5000


def check_catalog_names(node: Node) -> None:
    """Check names with one query per type.

    Raises:
        ConditionError: a product, category or brand is not in the catalog.
    """
    problems = [problem for about in COLUMN_OF_ABOUT for problem in find_unknown_names(node, about)]
    if problems:
        raise ConditionError(problems)


def find_unknown_names(node: Node, about: str) -> list[ConditionProblem]:
    paths = [
        (f"{comparison.path}.value[{index}]", value)
        for comparison in list_comparisons(node)
        if comparison.field.takes_names and comparison.field.about == about
        for index, value in enumerate(comparison.value)
    ]
    if not paths:
        return []
    model, column = COLUMN_OF_ABOUT[about]
    names = {value for _path, value in paths}
    known = set(model.objects.filter(**{f"{column}__in": names}).values_list(column, flat=True))
    return [
        ConditionProblem(
            path,
            "unknown_name",
            _("%(value)s is not in the catalog.") % {"value": format_json(value)} + suggest_text(about, value),
        )
        for path, value in paths
        if value not in known
    ]


def suggest_text(about: str, value: str) -> str:
    names = suggest_names(field=about, text=value) or suggest_names(field=about, text=value[:3])
    return " " + _("Did you mean %(names)s?") % {"names": ", ".join(names[:3])} if names else ""


def suggest_names(*, field: str, text: str) -> list[str]:
    """Return up to 20 names that contain the text; none for a field whose values are not names.

    field: its name; for events also what they are about: product, category or brand.
    """
    models: dict[str, tuple[type[Product] | type[Category] | type[Segment] | type[Customer], str]] = {
        **COLUMN_OF_ABOUT,
        **{name: COLUMN_OF_ABOUT[event_field.about] for name, event_field in FIELDS.items() if event_field.takes_names},
        "favorite_category": (Category, "path"),
        "favorite_brand": (Product, "brand"),
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
        .distinct()[:MAX_SUGGESTIONS]
    )
    return list(names)


def list_traits() -> tuple[str, ...]:
    """Return the trait names of the newest customers."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT jsonb_object_keys(traits) FROM "
            "(SELECT traits FROM identity_customer WHERE jsonb_typeof(traits) = 'object' ORDER BY id DESC LIMIT %s) AS newest "
            "ORDER BY 1 LIMIT 200",
            [SAMPLED_CUSTOMERS],
        )
        return tuple(name for (name,) in cursor.fetchall() if 0 < len(name) <= 100)
