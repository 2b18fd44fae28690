"""Checks that the products, categories and brands of a condition exist, and suggests names."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, Q
from django.db.models.functions import Length
from django.utils.translation import gettext as _

from catalog.categories import format_path
from catalog.models import Category, Product
from config.foundation.number_formats import get_sentence_space
from customers.identity.models import Customer
from customers.segments.conditions.compiler import list_comparisons
from customers.segments.conditions.condition_tree import ConditionError, ConditionProblem, Node
from customers.segments.conditions.fields import FIELDS
from customers.segments.conditions.value_parsing import MAX_PROBLEMS, format_json
from customers.segments.models import EventCount, EventSeries, Segment

COLUMN_OF_ABOUT: dict[str, tuple[type[Product] | type[Category], str]] = {
    EventSeries.About.PRODUCT: (Product, "product_id"),
    EventSeries.About.CATEGORY: (Category, "path"),
    EventSeries.About.BRAND: (Product, "brand"),
}
MAX_SUGGESTIONS = 20
MAX_SIMILAR = 3  # names that an error suggests
MAX_NAMES_WITH_SUGGESTIONS = 5  # for each of them the whole catalog is read
MAX_FOUND = 6  # of each: categories, brands and products
SAMPLED_CUSTOMERS = 5000
SIMILAR_NAMES_SQL = """
SELECT asked.value,
       ARRAY(SELECT DISTINCT {column} FROM {table}
             WHERE upper({column}) LIKE upper(asked.pattern) AND {column} <> '' ORDER BY 1 LIMIT %(limit)s),
       ARRAY(SELECT DISTINCT {column} FROM {table}
             WHERE upper({column}) LIKE upper(asked.prefix) AND {column} <> '' ORDER BY 1 LIMIT %(limit)s)
FROM unnest(%(values)s::text[], %(patterns)s::text[], %(prefixes)s::text[]) AS asked (value, pattern, prefix)
"""


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
    unknown = [(path, value) for path, value in paths if value not in known][:MAX_PROBLEMS]
    similar = find_similar_names(
        about, list(dict.fromkeys(value for _path, value in unknown))[:MAX_NAMES_WITH_SUGGESTIONS]
    )
    return [
        ConditionProblem(
            path,
            "unknown_name",
            _("%(value)s is not in the catalog.") % {"value": format_json(value)} + format_hint(similar.get(value)),
        )
        for path, value in unknown
    ]


def format_hint(names: Sequence[str] | None) -> str:
    return get_sentence_space() + _("Did you mean %(names)s?") % {"names": ", ".join(names)} if names else ""


def find_similar_names(about: str, values: Sequence[str]) -> dict[str, list[str]]:
    """Return up to three names of the catalog by value: those that contain it, else those that contain its first three letters."""
    if not values:
        return {}
    model, column = COLUMN_OF_ABOUT[about]
    with connection.cursor() as cursor:
        cursor.execute(
            SIMILAR_NAMES_SQL.format(table=model._meta.db_table, column=column),
            {
                "values": list(values),
                "patterns": [make_pattern(value) for value in values],
                "prefixes": [make_pattern(value[:3]) for value in values],
                "limit": MAX_SIMILAR,
            },
        )
        return {value: names or starts for value, names, starts in cursor.fetchall()}


def make_pattern(text: str) -> str:
    """Return a LIKE pattern for texts that contain this one."""
    return f"%{connection.ops.prep_for_like_query(text)}%"


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


class FoundValue(NamedTuple):
    """A product, category or brand that a search text matches.

    customers: by field, the number of customers with such an event ever.
    """

    about: str
    value: str
    label: str
    customers: dict[str, int]


def search_values(*, text: str) -> list[FoundValue]:
    """Return the categories, brands and products whose names contain the text, with the customers of each event."""
    if not text.strip() or "\0" in text:
        return []
    about = EventSeries.About
    categories = (
        Category.objects.filter(path__icontains=text).order_by(Length("path"), "path").values_list("path", flat=True)
    )
    brands = Product.objects.filter(brand__icontains=text).order_by("brand").values_list("brand", flat=True).distinct()
    products = Product.objects.filter(Q(title__icontains=text) | Q(product_id__icontains=text)).order_by("title")
    found = [
        *((about.CATEGORY, path, format_path(path)) for path in categories[:MAX_FOUND]),
        *((about.BRAND, brand, brand) for brand in brands[:MAX_FOUND] if brand),
        *((about.PRODUCT, product.product_id, product.title) for product in products[:MAX_FOUND]),
    ]
    customers = count_customers({(kind, value) for kind, value, _label in found})
    return [FoundValue(kind, value, label, customers.get((kind, value), {})) for kind, value, label in found]


def count_customers(objects: set[tuple[str, str]]) -> dict[tuple[str, str], dict[str, int]]:
    """Return the number of customers by object and field, in two queries."""
    series = EventSeries.objects.filter(name__in={name for _about, name in objects})
    keys = {row.pk: (row.meaning, row.about, row.name) for row in series if (row.about, row.name) in objects}
    counts = EventCount.objects.filter(series_id__in=keys).values_list("series_id").annotate(Count("customer_id"))
    fields = {(field.meaning, field.about): name for name, field in FIELDS.items() if field.takes_names}
    customers: dict[tuple[str, str], dict[str, int]] = {}
    for series_id, number in counts:
        meaning, about, name = keys[series_id]
        if (meaning, about) in fields:
            customers.setdefault((about, name), {})[fields[meaning, about]] = number
    return customers


def list_traits() -> tuple[str, ...]:
    """Return the trait names of the newest customers."""
    with connection.cursor() as cursor:
        cursor.execute(
            # the limit comes before the type: PostgreSQL expects few objects and would sort all customers to find them
            "SELECT DISTINCT jsonb_object_keys(traits) FROM "
            "(SELECT traits FROM identity_customer ORDER BY id DESC LIMIT %s) AS newest "
            "WHERE jsonb_typeof(traits) = 'object' ORDER BY 1 LIMIT 200",
            [SAMPLED_CUSTOMERS],
        )
        return tuple(name for (name,) in cursor.fetchall() if 0 < len(name) <= 100)
