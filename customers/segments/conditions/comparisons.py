"""One comparison as a query filter. Values travel as parameters, never as SQL; with something unknown it does not hold."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_

from django.db.models import (
    BooleanField,
    Case,
    Count,
    DecimalField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
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
    LessThan,
    LessThanOrEqual,
    Lookup,
    Regex,
)

from catalog.models import Category
from customers.identity.models import Consent, Customer, Identifier
from customers.orders.models import Order
from customers.segments.conditions.fields import CONSENT_NONE, CONSENT_PREFIX, TRAIT_PREFIX, Kind
from customers.segments.conditions.parsing import Comparison
from customers.segments.models import SegmentMember

IDENTIFYING = (Identifier.Kind.USER_ID, Identifier.Kind.EMAIL_HASH, Identifier.Kind.PHONE_HASH)
TURNED = ("ne", "not_in", "fewer_than", "is_not_set")
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
SPELLS_A_NUMBER = r"^-?[0-9]{1,15}(\.[0-9]{1,10})?$"
TRAIT_ORDER: dict[str, type[Lookup]] = {
    "lt": LessThan,
    "lte": LessThanOrEqual,
    "gt": GreaterThan,
    "gte": GreaterThanOrEqual,
}


class IsNotTrue(Func):
    """False or unknown."""

    template = "((%(expressions)s) IS NOT TRUE)"
    output_field = BooleanField()


def compile_comparison(comparison: Comparison, *, as_of: datetime, negated: bool = False) -> Q:
    """A filter over ``Customer``: that the comparison holds, or that it does not.

    ``~Q`` would not do: Django may then join inwards and lose customers without a profile, so each comparison is an
    expression of its own, and its negation says "is not true".
    """
    field = comparison.field
    turned = comparison.op in TURNED or (field.kind == Kind.FLAG and comparison.value is False)
    found = compile_asserted(comparison, as_of)
    if turned == negated:
        return Q(ExpressionWrapper(found, BooleanField()))
    is_always_known = field.kind in (Kind.BOUGHT, Kind.FLAG) or field.name.startswith(CONSENT_PREFIX)
    return ~found if is_always_known else Q(IsNotTrue(found))  # PostgreSQL joins NOT EXISTS, but not its IS NOT TRUE


def compile_asserted(comparison: Comparison, as_of: datetime) -> Q:
    """The comparison without the "not" that its operator may hold: ``ne`` as ``eq``, ``fewer_than`` as ``at_least``."""
    if comparison.op in ("is_set", "is_not_set"):
        return known(comparison)
    if comparison.field.name.startswith(CONSENT_PREFIX):
        return compile_consent(comparison, as_of)
    compiles: dict[Kind, Callable[[Comparison, datetime], Q]] = {
        Kind.MOMENT: compile_moment,
        Kind.COMING: compile_moment,
        Kind.FLAG: compile_identified,
        Kind.NAMES: compile_names,
        Kind.TRAIT: compile_trait,
        Kind.BOUGHT: compile_bought,
    }
    return compiles.get(comparison.field.kind, compile_column)(comparison, as_of)


def compile_column(comparison: Comparison, as_of: datetime) -> Q:
    return Q(**{f"{comparison.field.lookup}__{LOOKUPS[comparison.op]}": comparison.value})


def known(comparison: Comparison) -> Q:
    """Neither empty nor null."""
    field = comparison.field
    match field.kind:
        case Kind.TRAIT:
            trait = field.name.removeprefix(TRAIT_PREFIX)
            return Q(traits__has_key=trait) & ~Q(traits__contains={trait: None}) & ~Q(traits__contains={trait: ""})
        case Kind.TEXT | Kind.CHOICE:
            return Q(**{f"{field.lookup}__gt": ""})
        case Kind.NAMES:
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
    return Q(Exists(Identifier.objects.filter(customer=OuterRef("pk"), kind__in=IDENTIFYING)))


def compile_names(comparison: Comparison, as_of: datetime) -> Q:
    """Favourites are stored as pairs of name and share, so ``[["tea"]]`` is contained in ``[["tea", 0.7], …]``."""
    lookup = f"{comparison.field.lookup}__contains"
    return reduce(or_, (Q(**{lookup: [[name]]}) for name in comparison.value))


def compile_consent(comparison: Comparison, as_of: datetime) -> Q:
    purpose = comparison.field.name.removeprefix(CONSENT_PREFIX)
    wanted = comparison.value if isinstance(comparison.value, list) else [comparison.value]
    return reduce(or_, (latest_consent(purpose=purpose, status=status, as_of=as_of) for status in wanted))


def latest_consent(*, purpose: str, status: str, as_of: datetime, customer: str = "pk") -> Q:
    """That the last line of the customer's ledger for this purpose has this status; ``none``: that there is no line."""
    lines = Consent.objects.filter(purpose=purpose, recorded_at__lte=as_of)
    if status == CONSENT_NONE:
        return ~Q(Exists(lines.filter(customer=OuterRef(customer))))
    later = Q(recorded_at__gt=OuterRef("recorded_at")) | Q(recorded_at=OuterRef("recorded_at"), pk__gt=OuterRef("pk"))
    latest = ~Exists(lines.filter(later, customer=OuterRef("customer")).exclude(status=status))
    return Q(Exists(lines.filter(latest, customer=OuterRef(customer), status=status)))


def compile_bought(comparison: Comparison, as_of: datetime) -> Q:
    orders: QuerySet[Order] = Order.objects.sales().before(as_of)
    if comparison.days is not None:
        orders = orders.filter(placed_at__gte=as_of - timedelta(days=comparison.days))
    orders = with_bought(orders, comparison)
    return bought_once(orders) if comparison.times == 1 else bought_often(orders, comparison.times)


def with_bought(orders: QuerySet[Order], comparison: Comparison) -> QuerySet[Order]:
    """Orders with a line of what was asked for that was not taken back."""
    match comparison.field.name:
        case "bought.product":
            return orders.filter(lines__quantity__gt=0, lines__product__product_id__in=comparison.value)
        case "bought.brand":
            return orders.filter(lines__quantity__gt=0, lines__product__brand__in=comparison.value)
        case "bought.category":
            under = reduce(or_, (Q(path=path) | Q(path__startswith=f"{path} > ") for path in comparison.value))
            return orders.filter(lines__quantity__gt=0, lines__product__category__in=Category.objects.filter(under))
    return orders


def bought_once(orders: QuerySet[Order]) -> Q:
    return Q(Exists(orders.filter(customer=OuterRef("pk"))))


def bought_often(orders: QuerySet[Order], times: int) -> Q:
    """The way over ``Customer`` lets PostgreSQL count once for everybody instead of once per customer."""
    often = (
        orders.filter(customer__isnull=False)
        .order_by()
        .values("customer_id")
        .annotate(times=Count("pk", distinct=True))
        .filter(times__gte=times)
    )
    return Q(Exists(Customer.objects.filter(pk=OuterRef("pk"), pk__in=often.values("customer_id"))))


def members_of_list(segment_id: int) -> Q:
    return Q(Exists(SegmentMember.objects.filter(segment_id=segment_id, customer=OuterRef("pk"))))


def compile_trait(comparison: Comparison, as_of: datetime) -> Q:
    trait, value = comparison.field.name.removeprefix(TRAIT_PREFIX), comparison.value
    match comparison.op:
        case "eq" | "ne":
            return trait_equals(trait, value)
        case "in" | "not_in":
            return reduce(or_, (trait_equals(trait, each) for each in value))
        case "includes":
            return Q(traits__contains={trait: [as_json(value)]})
        case "contains":
            return Q(IContains(trait_text(trait), value))
    return Q(TRAIT_ORDER[comparison.op](trait_number(trait), value))


def trait_equals(trait: str, value: str | bool | Decimal) -> Q:
    """A number also equals the text that spells it, and the other way round: shops send both."""
    if isinstance(value, bool):
        return Q(traits__contains={trait: value})
    return Q(Exact(trait_number(trait) if isinstance(value, Decimal) else trait_text(trait), value))


def as_json(value: str | bool | Decimal) -> str | bool | int | float:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def trait_text(trait: str) -> Func:
    return Func(F("traits"), Value(trait), function="jsonb_extract_path_text", output_field=TextField())


def trait_number(trait: str) -> Case:
    """The trait as a number where it is or spells one, else null."""
    number = DecimalField(max_digits=30, decimal_places=10)
    return Case(
        When(Regex(trait_text(trait), SPELLS_A_NUMBER), then=Cast(trait_text(trait), number)), output_field=number
    )
