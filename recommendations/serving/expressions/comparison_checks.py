"""Checks the attribute, operator and value of a comparison; shared by the parsers of text and of JSON."""

from collections.abc import Sequence
from decimal import Decimal

from django.utils.translation import gettext as _

from customers.segments.conditions.fields import OPERATORS, Operand
from customers.segments.conditions.value_parsing import (
    MAX_DAYS,
    MAX_NUMBER,
    MAX_TEXT,
    format_json,
    is_encodable,
    parse_number,
    parse_period,
    suggest_similar,
)
from recommendations.serving.expressions.attributes import (
    CATALOG_PREFIX,
    PART_OPERATORS,
    PRODUCT_ATTRIBUTES,
    READ_ATTRIBUTES,
    AttributeKind,
    ProductAttribute,
    find_attribute,
)
from recommendations.serving.expressions.expression import SYMBOLS, AttributeComparison, ExpressionError, Value

MAX_LENGTH = 2_000  # characters of the text of an expression
MAX_DEPTH = 16
MAX_COMPARISONS = 100
MAX_READS = 10  # comparisons that read the texts of all products
MAX_BOOSTS = 20
MAX_DECIMALS = 9  # of a number; further ones are rounded
MAX_SHOWN = 50  # characters of a name in an error
MIN_BOOST, MAX_BOOST = 0.1, 10.0
ORDER_OPERATORS = ("lt", "lte", "gt", "gte", "between")


def require_attribute(name: str) -> ProductAttribute:
    """Return the attribute of a name. Errors: ExpressionError."""
    attribute = find_attribute(name)
    if attribute is None or not is_encodable(name) or "\0" in name:
        hint = suggest_similar(name, PRODUCT_ATTRIBUTES) or " " + _(
            "For an attribute of your catalog, write %(example)s."
        ) % {"example": f"{CATALOG_PREFIX}{name[:MAX_SHOWN]}"}
        raise ExpressionError(
            _("Unknown attribute %(name)s; valid: %(names)s and %(prefix)s….")
            % {"name": format_json(name), "names": ", ".join(PRODUCT_ATTRIBUTES), "prefix": CATALOG_PREFIX}
            + hint
        )
    return attribute


def require_operator(attribute: ProductAttribute, op: object) -> str:
    """Return a valid operator of an attribute. Errors: ExpressionError."""
    if isinstance(op, str) and op in attribute.operators:
        return op
    raise ExpressionError(
        _("Unknown operator %(value)s for %(field)s; valid: %(operators)s.")
        % {"field": attribute.name, "value": format_json(op), "operators": ", ".join(attribute.operators)}
    )


def build_comparison(attribute: ProductAttribute, op: str, raw: object) -> AttributeComparison:
    """Return the comparison with a checked value. Errors: ExpressionError."""
    match OPERATORS[op].takes:
        case Operand.NOTHING:
            return AttributeComparison(attribute.name, op)
        case Operand.DAYS:
            return AttributeComparison(attribute.name, op, check_days(raw))
        case Operand.MANY:
            values = require_list(raw, attribute, op)
            return AttributeComparison(attribute.name, op, tuple(check_value(attribute, op, item) for item in values))
        case Operand.RANGE:
            return AttributeComparison(attribute.name, op, check_range(attribute, op, raw))
    return AttributeComparison(attribute.name, op, check_value(attribute, op, raw))


def require_list(raw: object, attribute: ProductAttribute, op: str) -> Sequence[object]:
    if isinstance(raw, list) and 1 <= len(raw) <= MAX_LENGTH:
        return raw
    raise ExpressionError(
        _("%(value)s is not valid for %(field)s %(op)s; use a list of at least one value.")
        % {"value": format_json(raw), "field": attribute.name, "op": op}
    )


def check_range(attribute: ProductAttribute, op: str, raw: object) -> tuple[Value, Value]:
    if not isinstance(raw, list) or len(raw) != 2:
        raise ExpressionError(
            _("%(value)s is not a range; use a list of the minimum and the maximum.") % {"value": format_json(raw)}
        )
    low, high = (check_value(attribute, op, item) for item in raw)
    if isinstance(low, str) and isinstance(high, str):
        first, last = parse_period(low), parse_period(high)
        is_reversed = first is not None and last is not None and first.start > last.start
    else:
        is_reversed = low > high  # type: ignore[operator]  # both are numbers
    if is_reversed:
        raise ExpressionError(
            _("The first value of %(value)s is greater than the second; swap them.") % {"value": format_json(raw)}
        )
    return low, high


def check_value(attribute: ProductAttribute, op: str, raw: object) -> Value:
    """Return a valid value. Errors: ExpressionError."""
    match attribute.kind:
        case AttributeKind.NUMBER:
            return check_number(raw, attribute, op)
        case AttributeKind.FLAG:
            if isinstance(raw, bool):
                return raw
            raise ExpressionError(
                _("%(value)s is not valid for %(field)s; use true or false.")
                % {"value": format_json(raw), "field": attribute.name}
            )
        case AttributeKind.MOMENT:
            if isinstance(raw, str) and parse_period(raw) is not None:
                return raw
            raise ExpressionError(
                _("%(value)s is not a valid date; use a format such as 2026-11-24 or 2026-11-24T10:00:00+01:00.")
                % {"value": format_json(raw)}
            )
        case AttributeKind.CATALOG:
            return check_catalog_value(raw, attribute, op)
    return check_text(raw, attribute, op)


def check_catalog_value(raw: object, attribute: ProductAttribute, op: str) -> Value:
    if op in ORDER_OPERATORS:
        return check_number(raw, attribute, op)
    if isinstance(raw, bool) and op not in PART_OPERATORS:
        return raw
    if isinstance(raw, str) or op in PART_OPERATORS:
        return check_text(raw, attribute, op)
    number = parse_number(raw)
    if number is None:
        raise ExpressionError(
            _("%(value)s is not valid for %(field)s; use a string, a number, true or false.")
            % {"value": format_json(raw), "field": attribute.name}
        )
    return round_number(number)


def check_number(raw: object, attribute: ProductAttribute, op: str) -> float:
    number = parse_number(raw)
    if number is None:
        raise ExpressionError(
            _("%(value)s is not valid for %(field)s %(op)s; use a number below %(limit)d, without quotes.")
            % {
                "value": format_json(raw),
                "field": attribute.name,
                "op": SYMBOLS.get(op, op),
                "limit": MAX_NUMBER,
            }
        )
    return round_number(number)


def round_number(number: Decimal) -> float:
    """Return a number rounded to MAX_DECIMALS decimals; zero is never negative."""
    return round(float(number), MAX_DECIMALS) + 0.0


def check_text(raw: object, attribute: ProductAttribute, op: str) -> str:
    if isinstance(raw, str) and 0 < len(raw) <= MAX_TEXT and "\0" not in raw and is_encodable(raw):
        return raw
    raise ExpressionError(
        _("%(value)s is not valid for %(field)s %(op)s; use text of 1 to %(limit)d characters in quotes.")
        % {"value": format_json(raw), "field": attribute.name, "op": SYMBOLS.get(op, op), "limit": MAX_TEXT}
    )


def check_days(raw: object) -> float:
    number = parse_number(raw)
    if number is not None and number == number.to_integral_value() and 0 <= number <= MAX_DAYS:
        return float(number)
    raise ExpressionError(
        _("%(value)s is not valid; use a whole number from %(low)d to %(high)d.")
        % {"value": format_json(raw), "low": 0, "high": MAX_DAYS}
    )


def check_factor(raw: object) -> float:
    """Return the factor of a boost. Errors: ExpressionError."""
    number = parse_number(raw)
    if number is not None and MIN_BOOST <= number <= MAX_BOOST:
        return float(number)
    raise ExpressionError(
        _("The factor %(value)s is not valid; use a number from %(low)s to %(high)s.")
        % {"value": format_json(raw), "low": "0.1", "high": "10"}
    )


class SizeCounter:
    """Counts the comparisons of one expression, or of all boosts together."""

    def __init__(self) -> None:
        self.comparisons = self.reads = 0

    def add_comparison(self) -> None:
        """Count one more. Errors: ExpressionError."""
        self.comparisons += 1
        if self.comparisons > MAX_COMPARISONS:
            raise ExpressionError(
                _("Too many comparisons; the maximum is %(most)d.") % {"most": MAX_COMPARISONS}
                + " "
                + _("Use in (…) for several values of one attribute.")
            )

    def add_operator(self, attribute: ProductAttribute, op: str) -> None:
        """Count a comparison that reads the texts of all products. Errors: ExpressionError."""
        self.reads += attribute.name in READ_ATTRIBUTES or op in PART_OPERATORS
        if self.reads > MAX_READS:
            raise ExpressionError(
                _("Too many comparisons of %(names)s or with %(operators)s; the maximum is %(most)d.")
                % {
                    "names": ", ".join(sorted(READ_ATTRIBUTES)),
                    "operators": ", ".join(PART_OPERATORS),
                    "most": MAX_READS,
                }
                + " "
                + _("Use in (…) for several values of one attribute.")
            )

    @staticmethod
    def require_depth(depth: int) -> None:
        """Check the number of levels. Errors: ExpressionError."""
        if depth > MAX_DEPTH:
            raise ExpressionError(_("Nested too deeply; the maximum is %(most)d levels.") % {"most": MAX_DEPTH})


def require_length(text: str) -> None:
    """Check the length of a text. Errors: ExpressionError."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            _("Too long: %(length)d characters; the maximum is %(most)d.") % {"length": len(text), "most": MAX_LENGTH}
        )
