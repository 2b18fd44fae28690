"""Parses the JSON form of expressions, the tree of the conditions of segments, and of boosts."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.text_encoding import make_encodable
from customers.segments.conditions.value_parsing import MAX_PATH, format_json
from recommendations.serving.expressions.comparison_checks import (
    MAX_BOOSTS,
    SizeCounter,
    build_comparison,
    check_factor,
    require_attribute,
    require_length,
    require_operator,
)
from recommendations.serving.expressions.expression import (
    Boost,
    Expression,
    ExpressionError,
    ExpressionNegation,
    ExpressionNode,
    build_expression,
    build_group,
)
from recommendations.serving.expressions.text_parser import parse_filter_text

SHAPES = '{"all": […]}, {"any": […]}, {"not": {…}}, {"field": …, "op": …, "value": …}'


def parse_filter_json(raw: object, *, path: str = "$", counter: SizeCounter | None = None) -> Expression:
    """Return the expression of a tree. Errors: ExpressionError, which names the path in the tree."""
    expression = build_expression(TreeParser(counter or SizeCounter()).parse(raw, path, depth=1))
    require_length(expression.text)
    return expression


def parse_boost_json(raw: object) -> tuple[Boost, ...]:
    """Return the boosts of a list. Errors: ExpressionError, which names the path in the list."""
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_BOOSTS:
        raise ExpressionError(
            _("%(value)s is not valid; use a list of 1 to %(most)d objects with expression and factor.")
            % {"value": format_json(raw), "most": MAX_BOOSTS}
        )
    counter = SizeCounter()
    return tuple(parse_boost(item, f"$[{index}]", counter) for index, item in enumerate(raw))


def parse_boost(raw: object, path: str, counter: SizeCounter) -> Boost:
    if not isinstance(raw, Mapping) or set(raw) != {"expression", "factor"}:
        raise build_path_error(
            path,
            _("%(value)s is not valid; use an object with expression and factor.") % {"value": format_json(raw)},
        )
    expression_path, given = f"{path}.expression", raw["expression"]
    if isinstance(given, str):
        try:
            expression = parse_filter_text(given, counter)
        except ExpressionError as error:
            raise build_path_error(expression_path, str(error)) from error
    else:
        expression = parse_filter_json(given, path=expression_path, counter=counter)
    try:
        return Boost(expression, check_factor(raw["factor"]))
    except ExpressionError as error:
        raise build_path_error(f"{path}.factor", str(error)) from error


def build_path_error(path: str, problem: str) -> ExpressionError:
    return ExpressionError(f"{make_encodable(path)[:MAX_PATH]}: {problem}")


class TreeParser:
    """Parses one tree."""

    def __init__(self, counter: SizeCounter) -> None:
        self.counter = counter

    def parse(self, raw: object, path: str, *, depth: int) -> ExpressionNode:
        try:
            self.counter.require_depth(depth)
        except ExpressionError as error:
            raise build_path_error(path, str(error)) from error
        heads = [head for head in ("all", "any", "not", "field") if isinstance(raw, Mapping) and head in raw]
        if len(heads) != 1 or not isinstance(raw, Mapping):
            raise build_path_error(
                path,
                _("%(value)s is not a condition.") % {"value": format_json(raw)}
                + " "
                + _("Valid: %(shapes)s.") % {"shapes": SHAPES},
            )
        head = heads[0]
        if head == "field":
            return self.parse_comparison(raw, path)
        self.refuse_keys(raw, {head}, path)
        if head == "not":
            return ExpressionNegation(self.parse(raw[head], f"{path}.not", depth=depth + 1))
        children = raw[head]
        if not isinstance(children, list) or not children:
            raise build_path_error(
                f"{path}.{head}",
                _("%(value)s is not valid; use a list of at least one condition.") % {"value": format_json(children)},
            )
        return build_group(
            every=head == "all",
            children=[
                self.parse(child, f"{path}.{head}[{index}]", depth=depth + 1) for index, child in enumerate(children)
            ],
        )

    def parse_comparison(self, raw: Mapping[Any, Any], path: str) -> ExpressionNode:
        place = f"{path}.field"
        try:
            self.counter.add_comparison()
            attribute = require_attribute(raw["field"] if isinstance(raw["field"], str) else format_json(raw["field"]))
            place = f"{path}.op"
            op = require_operator(attribute, raw.get("op"))
            self.counter.add_operator(attribute, op)
            place = f"{path}.value"
            comparison = build_comparison(attribute, op, raw.get("value"))
        except ExpressionError as error:
            raise build_path_error(place, str(error)) from error
        self.refuse_keys(raw, {"field", "op"} if comparison.value is None else {"field", "op", "value"}, path)
        return comparison

    @staticmethod
    def refuse_keys(raw: Mapping[Any, Any], valid: set[str], path: str) -> None:
        """Check that an object has no other keys. Errors: ExpressionError."""
        for key in sorted(set(map(str, raw)) - valid):
            raise build_path_error(
                f"{path}.{key}",
                _("Unknown key %(key)s; valid: %(keys)s.")
                % {"key": format_json(key), "keys": ", ".join(sorted(valid))},
            )
