"""Compiles a comparison into a query filter. Values are passed as parameters; a comparison with an unknown value is false."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import eq, ge, gt, le, lt, or_

from django.db.models import (
    BooleanField,
    Case,
    DecimalField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    IContains,
    In,
    LessThan,
    LessThanOrEqual,
    Lookup,
    Regex,
)

from customers.identity.models import Identifier
from customers.segments.conditions.condition_tree import Comparison
from customers.segments.conditions.consents import compile_allowed, compile_consent
from customers.segments.conditions.event_conditions import SeriesIds, compile_event
from customers.segments.conditions.fields import ALLOWED_PREFIX, CONSENT_PREFIX, TRAIT_PREFIX, FieldType, LatestRow
from customers.segments.models import SegmentMember

IDENTIFYING_KINDS = (Identifier.Kind.USER_ID, Identifier.Kind.EMAIL_HASH, Identifier.Kind.PHONE_HASH)
NEGATED_OPERATORS = ("ne", "not_in", "at_most", "fewer_than", "never", "is_not_set")
LOOKUPS = {
    "eq": "exact",
    "ne": "exact",
    "in": "in",
    "not_in": "in",
    "lt": "lt",
    "lte": "lte",
    "gt": "gt",
    "gte": "gte",
    "between": "range",
    "starts_with": "istartswith",
    "contains": "icontains",
}
# an average has as many decimals as fit into a float; those that do not fit into the number are rounded
NUMBER_PATTERN = r"^-?[0-9]{1,15}(\.[0-9]+)?$"
TRAIT_LOOKUPS: dict[str, type[Lookup]] = {
    "lt": LessThan,
    "lte": LessThanOrEqual,
    "gt": GreaterThan,
    "gte": GreaterThanOrEqual,
}


NO_CUSTOMER_ID = 0  # an empty list would make Django drop the whole expression
COMPARE_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "eq": eq, "ne": eq, "lt": lt, "lte": le, "gt": gt, "gte": ge,
}  # fmt: skip


class IsNotTrue(Func):
    """The expression is false or unknown."""

    template = "((%(expressions)s) IS NOT TRUE)"
    output_field = BooleanField()


def compile_comparison(
    comparison: Comparison,
    *,
    as_of: datetime,
    negated: bool = False,
    series: SeriesIds | None = None,
    customer_ids: Collection[int] | None = None,
) -> Q:
    """Return a filter on ``Customer`` for the comparison or its negation.

    customer_ids: the filter is only applied to these customers; None: to any.

    ``~Q`` is not enough: Django may use an inner join and lose customers without a profile. So each comparison is an
    expression of its own, and its negation is "is not true".
    """
    field = comparison.field
    is_negative = comparison.op in NEGATED_OPERATORS or (field.kind == FieldType.FLAG and comparison.value is False)
    if field.live_values is not None:
        positive = compile_live_value(comparison, field.live_values(as_of, customer_ids))
    elif field.kind == FieldType.EVENT:
        positive = compile_event(comparison, as_of=as_of, series=series or SeriesIds())
    else:
        positive = compile_positive(comparison, as_of)
    if field.restriction is not None:
        positive &= Q(field.restriction)
    if is_negative == negated:
        return Q(ExpressionWrapper(positive, BooleanField()))
    is_always_known = (
        field.kind in (FieldType.EVENT, FieldType.FLAG)
        or field.name.startswith((CONSENT_PREFIX, ALLOWED_PREFIX))
        or field.latest is not None
    )
    # PostgreSQL runs NOT EXISTS as an anti-join, but tests "(EXISTS …) IS NOT TRUE" for each customer
    return ~positive if is_always_known else Q(IsNotTrue(positive))


def compile_positive(comparison: Comparison, as_of: datetime) -> Q:
    """Compile the comparison without the negation of its operator.

    That is, ``ne`` as ``eq``.
    """
    if comparison.field.latest is not None:
        return compile_latest_row(comparison, comparison.field.latest, as_of)
    if comparison.op in ("is_set", "is_not_set"):
        return compile_is_set(comparison)
    if comparison.field.name.startswith(CONSENT_PREFIX):
        return compile_consent(comparison, as_of)
    if comparison.field.name.startswith(ALLOWED_PREFIX):
        return compile_allowed(comparison, as_of)
    compilers: dict[FieldType, Callable[[Comparison, datetime], Q]] = {
        FieldType.MOMENT: compile_moment,
        FieldType.FUTURE_MOMENT: compile_moment,
        FieldType.FLAG: compile_identified,
        FieldType.NAMES: compile_names,
        FieldType.TRAIT: compile_trait,
    }
    return compilers.get(comparison.field.kind, compile_column)(comparison, as_of)


def compile_latest_row(comparison: Comparison, latest: LatestRow, as_of: datetime) -> Q:
    """Compile "the customer's latest row matches the comparison"; a customer without a row has no value."""
    rows = latest.model._default_manager.filter(**dict(latest.only), **{f"{latest.time}__lte": as_of})
    later = Q(**{f"{latest.time}__gt": OuterRef(latest.time)}) | Q(
        **{latest.time: OuterRef(latest.time), "pk__gt": OuterRef("pk")}
    )
    matching = compile_positive(replace(comparison, field=replace(comparison.field, latest=None)), as_of)
    # EXISTS can be planned as a join over all customers; a sort for the latest row would run once per customer
    is_latest = ~Exists(rows.filter(later, customer=OuterRef("customer")))
    return Q(Exists(rows.filter(is_latest, matching, customer=OuterRef("pk"))))


def compile_column(comparison: Comparison, as_of: datetime) -> Q:
    return Q(**{f"{comparison.field.lookup}__{LOOKUPS[comparison.op]}": comparison.value})


def compile_live_value(comparison: Comparison, values: Mapping[int, float]) -> Q:
    """Compile a comparison of numbers that were read for it, without the negation of its operator."""
    if comparison.op in ("is_set", "is_not_set"):
        ids = list(values)
    elif comparison.op == "between":
        low, high = map(float, comparison.value)
        ids = [customer_id for customer_id, value in values.items() if low <= value <= high]
    else:
        compare, limit = COMPARE_NUMBERS[comparison.op], float(comparison.value)
        ids = [customer_id for customer_id, value in values.items() if compare(value, limit)]
    return Q(pk__in=ids or [NO_CUSTOMER_ID])


def compile_is_set(comparison: Comparison) -> Q:
    """Compile "is known": neither empty nor null."""
    field = comparison.field
    match field.kind:
        case FieldType.TRAIT:
            trait = field.name.removeprefix(TRAIT_PREFIX)
            return Q(traits__has_key=trait) & ~Q(traits__contains={trait: None}) & ~Q(traits__contains={trait: ""})
        case FieldType.TEXT | FieldType.CHOICE:
            return Q(**{f"{field.lookup}__gt": ""})
        case FieldType.NAMES:
            return Q(**{f"{field.lookup}__isnull": False}) & ~Q(**{field.lookup: []})
    return Q(**{f"{field.lookup}__isnull": False})


def compile_moment(comparison: Comparison, as_of: datetime) -> Q:
    lookup, value = comparison.field.lookup, comparison.value
    match comparison.op:
        case "before":
            return Q(**{f"{lookup}__lt": value.start})
        case "after":
            return Q(**{f"{lookup}__gte": value.end})
        case "between":
            low, high = value
            return Q(**{f"{lookup}__gte": low.start, f"{lookup}__lt": high.end})
        case "within_days":
            return Q(**{f"{lookup}__gte": as_of - timedelta(days=value), f"{lookup}__lte": as_of})
        case "older_than_days":
            return Q(**{f"{lookup}__lt": as_of - timedelta(days=value)})
    return Q(**{f"{lookup}__gt": as_of, f"{lookup}__lte": as_of + timedelta(days=value)})


def compile_identified(comparison: Comparison, as_of: datetime) -> Q:
    return Q(Exists(Identifier.objects.filter(customer=OuterRef("pk"), kind__in=IDENTIFYING_KINDS)))


def compile_names(comparison: Comparison, as_of: datetime) -> Q:
    """Compile a comparison of favorites.

    They are stored as pairs of name and share, so ``[["tea", 0.7], …]`` contains ``[["tea"]]``.
    """
    lookup = f"{comparison.field.lookup}__contains"
    return reduce(or_, (Q(**{lookup: [[name]]}) for name in comparison.value))


def compile_static_members(segment_id: int) -> Q:
    return Q(Exists(SegmentMember.objects.filter(segment_id=segment_id, customer=OuterRef("pk"))))


def compile_trait(comparison: Comparison, as_of: datetime) -> Q:
    trait, value = comparison.field.name.removeprefix(TRAIT_PREFIX), comparison.value
    match comparison.op:
        case "eq" | "ne":
            return compile_trait_equals(trait, value)
        case "in" | "not_in":
            return compile_trait_in(trait, value)
        case "includes":
            return Q(traits__contains={trait: [convert_to_json(value)]})
        case "contains":
            return Q(IContains(build_trait_text(trait), value))
    return Q(TRAIT_LOOKUPS[comparison.op](build_trait_number(trait), value))


def compile_trait_equals(trait: str, value: str | bool | Decimal) -> Q:
    """Compile equality; a number also equals its text, and vice versa, because shops send both."""
    if isinstance(value, bool):
        return Q(traits__contains={trait: value})
    return Q(Exact(build_trait_number(trait) if isinstance(value, Decimal) else build_trait_text(trait), value))


def compile_trait_in(trait: str, values: Collection[str | bool | Decimal]) -> Q:
    """Compile equality with one of the values, with one comparison for each type."""
    flags = sorted({value for value in values if isinstance(value, bool)})
    numbers = [value for value in values if isinstance(value, Decimal)]
    texts = [value for value in values if isinstance(value, str)]
    parts = [compile_trait_equals(trait, flag) for flag in flags]
    if numbers:
        parts.append(Q(In(build_trait_number(trait), numbers)))
    if texts:
        parts.append(Q(In(build_trait_text(trait), texts)))
    return reduce(or_, parts)


def convert_to_json(value: str | bool | Decimal) -> str | bool | int | float:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def build_trait_text(trait: str) -> Func:
    return Func(F("traits"), Value(trait), function="jsonb_extract_path_text", output_field=TextField())


def build_trait_number(trait: str) -> Case:
    """Return the trait as a number if it is one or its text is one, else null."""
    number = DecimalField(max_digits=36, decimal_places=20)
    return Case(
        When(Regex(build_trait_text(trait), NUMBER_PATTERN), then=Cast(build_trait_text(trait), number)),
        output_field=number,
    )
