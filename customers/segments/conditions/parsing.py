"""Parses the condition tree of a segment and reports every problem with its path, value and fix."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.number_formats import get_sentence_space, join_sentences
from customers.identity.personal_data.personal_names import PERSONAL, PERSONAL_TRAIT, classify_name
from customers.segments.conditions.condition_tree import (
    Comparison,
    ConditionError,
    EventSequence,
    Group,
    Negation,
    Node,
    Period,
)
from customers.segments.conditions.fields import (
    FIELDS,
    IS_SET_OPERATORS,
    OPERATORS,
    TRAIT_PREFIX,
    ConditionField,
    FieldType,
    Operand,
    find_field,
)
from customers.segments.conditions.value_parsing import MAX_DAYS, ValueParser, format_json, suggest_similar

MAX_DEPTH = 12
MAX_NODES = 300
MAX_TIMES = 10_000


def parse_condition(condition: object) -> Node:
    """Parse and check a condition.

    Raises:
        ConditionError: lists all problems.
    """
    parser = ConditionParser()
    node = parser.parse(condition, "$", depth=1)
    if parser.problems or node is None:
        raise ConditionError(parser.problems)
    return node


class ConditionParser(ValueParser):
    """Parses one tree and collects its problems."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes = 0

    def parse(self, raw: object, path: str, *, depth: int) -> Node | None:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            if self.nodes <= MAX_NODES + 1:
                self.add_problem(
                    path,
                    "too_large",
                    _("The condition is too complex; the maximum is %(depth)d levels and %(nodes)d parts.")
                    % {"depth": MAX_DEPTH, "nodes": MAX_NODES},
                )
            return None
        if not isinstance(raw, Mapping):
            self.add_problem(
                path,
                "type",
                join_sentences(
                    [
                        _("%(value)s is not a condition; use an object.") % {"value": format_json(raw)},
                        describe_shapes(),
                    ]
                ),
            )
            return None
        heads = [head for head in ("all", "any", "not", "sequence", "field") if head in raw]
        if len(heads) != 1:
            self.add_problem(
                path,
                "shape",
                join_sentences([_("%(value)s is not a condition.") % {"value": format_json(raw)}, describe_shapes()]),
            )
            return None
        if heads[0] == "field":
            return self.parse_comparison(raw, path)
        if heads[0] == "sequence":
            return self.parse_sequence(raw, path)
        if extra := sorted(set(map(str, raw)) - set(heads)):
            self.add_problem(
                f"{path}.{extra[0]}",
                "unknown_key",
                _("%(key)s cannot be combined with %(head)s.")
                % {"key": format_json(extra[0]), "head": format_json(heads[0])},
            )
        if heads[0] == "not":
            child = self.parse(raw["not"], f"{path}.not", depth=depth + 1)
            return Negation(child) if child else None
        return self.parse_group(raw[heads[0]], f"{path}.{heads[0]}", every=heads[0] == "all", depth=depth)

    def parse_group(self, raw: object, path: str, *, every: bool, depth: int) -> Group | None:
        if not isinstance(raw, list):
            self.add_problem(
                path, "type", _("%(value)s is not valid; use a list of conditions.") % {"value": format_json(raw)}
            )
            return None
        if not raw and not every:
            self.add_problem(path, "empty", _("“any” requires at least one condition."))
            return None
        children = [self.parse(item, f"{path}[{index}]", depth=depth + 1) for index, item in enumerate(raw)]
        return Group(every, tuple(child for child in children if child is not None))

    def parse_comparison(self, raw: Mapping[Any, Any], path: str) -> Comparison | None:
        field = self.parse_field(raw["field"], f"{path}.field")
        if field is None:
            return None
        op = self.parse_operator(raw.get("op"), field, f"{path}.op")
        if op is None:
            return None
        allowed = {"field", "op"}
        is_event = field.kind == FieldType.EVENT
        if OPERATORS[op].takes != Operand.NOTHING and (field.takes_names or not is_event):
            allowed.add("value")
            self.refuse_encrypted_trait(field, f"{path}.field")
        if is_event:
            allowed |= {"within_days", "between"} if op == "never" else {"times", "within_days", "between"}
        self.refuse_unknown_keys(raw, allowed, path)
        problems_before = len(self.problems)
        value = self.parse_value(raw, field, op, path) if "value" in allowed else None
        times = self.parse_integer(raw.get("times", 1), f"{path}.times", low=1, high=MAX_TIMES)
        days, period = self.parse_event_time(raw, path)
        if len(self.problems) > problems_before or times is None:
            return None
        return Comparison(path, field, op, value, times, days, period)

    def refuse_unknown_keys(self, raw: Mapping[Any, Any], allowed: set[str], path: str) -> None:
        for key in sorted(set(map(str, raw)) - allowed):
            self.add_problem(
                f"{path}.{key}",
                "unknown_key",
                _("Unknown key %(key)s; valid: %(keys)s.")
                % {"key": format_json(key), "keys": ", ".join(sorted(allowed))},
            )

    def parse_event_time(self, raw: Mapping[Any, Any], path: str) -> tuple[int | None, Period | None]:
        """Parse the days of an event: the last ``within_days``, or ``between`` two dates, or any."""
        days, between = raw.get("within_days"), raw.get("between")
        if "within_days" in raw and "between" in raw:
            self.add_problem(
                f"{path}.between",
                "unknown_key",
                _("%(key)s cannot be combined with %(head)s.") % {"key": '"between"', "head": '"within_days"'},
            )
        if days is not None:
            days = self.parse_integer(days, f"{path}.within_days", low=1, high=MAX_DAYS)
        return days, self.parse_days(between, f"{path}.between") if "between" in raw else None

    def parse_days(self, raw: object, path: str) -> Period | None:
        """Parse the first and the last day of a period."""
        if not isinstance(raw, list) or len(raw) != 2:
            self.add_problem(
                path,
                "type",
                _('%(value)s is not valid; use two dates such as ["2026-11-01", "2026-11-30"].')
                % {"value": format_json(raw)},
            )
            return None
        first, last = (self.parse_time(item, f"{path}[{index}]") for index, item in enumerate(raw))
        if first is None or last is None:
            return None
        if first.start > last.start:
            self.add_problem(
                path,
                "range",
                _("The first value is greater than the second. Swap them."),
            )
        return Period(first.start, last.end)

    def parse_sequence(self, raw: Mapping[Any, Any], path: str) -> EventSequence | None:
        """Parse two events of which the second follows the first."""
        self.refuse_unknown_keys(raw, {"sequence", "gap_days", "within_days", "between"}, path)
        problems_before = len(self.problems)
        steps = raw["sequence"]
        if not isinstance(steps, list) or len(steps) != 2:
            self.add_problem(
                f"{path}.sequence",
                "type",
                _('%(value)s is not valid; use a list of two events such as {"field": "viewed.any"}.')
                % {"value": format_json(steps)},
            )
            return None
        first, second = (self.parse_step(step, f"{path}.sequence[{index}]") for index, step in enumerate(steps))
        gap = self.parse_integer(raw.get("gap_days"), f"{path}.gap_days", low=0, high=MAX_DAYS)
        days, period = self.parse_event_time(raw, path)
        if len(self.problems) > problems_before or first is None or second is None or gap is None:
            return None
        return EventSequence((first, second), gap, days, period)

    def parse_step(self, raw: object, path: str) -> Comparison | None:
        """Parse one event of a sequence: a field and, if it is about something, a value."""
        self.nodes += 1
        if not isinstance(raw, Mapping) or "field" not in raw:
            self.add_problem(
                path,
                "type",
                _('%(value)s is not an event; use an object such as {"field": "viewed.any"}.')
                % {"value": format_json(raw)},
            )
            return None
        field = self.parse_field(raw["field"], f"{path}.field")
        if field is None:
            return None
        if field.kind != FieldType.EVENT:
            names = [name for name, known in FIELDS.items() if known.kind == FieldType.EVENT]
            self.add_problem(
                f"{path}.field",
                "choice",
                _("%(value)s is not an event; valid: %(names)s.")
                % {"value": format_json(field.name), "names": ", ".join(names)},
            )
            return None
        self.refuse_unknown_keys(raw, {"field", "value"} if field.takes_names else {"field"}, path)
        value = self.parse_value(raw, field, "at_least", path) if field.takes_names else None
        return Comparison(path, field, "at_least", value)

    def parse_field(self, raw: object, path: str) -> ConditionField | None:
        field = find_field(raw) if isinstance(raw, str) and "\0" not in raw else None
        if field is None:
            hint = suggest_similar(str(raw), FIELDS) or get_sentence_space() + _(
                "Valid fields: %(names)s and %(traits)s."
            ) % {
                "names": ", ".join(FIELDS),
                "traits": f"{TRAIT_PREFIX}…",
            }
            self.add_problem(path, "unknown_field", _("Unknown field %(value)s.") % {"value": format_json(raw)} + hint)
        return field

    def refuse_encrypted_trait(self, field: ConditionField, path: str) -> None:
        """Report a trait whose values are encrypted: a comparison would match nobody, or reveal the values to everyone."""
        is_personal = field.kind == FieldType.TRAIT and classify_name(field.name.removeprefix(TRAIT_PREFIX)) & (
            PERSONAL | PERSONAL_TRAIT
        )
        if is_personal:
            self.add_problem(
                path,
                "encrypted_trait",
                _("%(field)s is personal data and encrypted; its value cannot be compared. Use %(operators)s.")
                % {"field": field.name, "operators": ", ".join(IS_SET_OPERATORS)},
            )

    def parse_operator(self, raw: object, field: ConditionField, path: str) -> str | None:
        if isinstance(raw, str) and raw in field.operators:
            return raw
        self.add_problem(
            path,
            "unknown_operator",
            _("Unknown operator %(value)s for %(field)s; valid: %(operators)s.")
            % {"field": field.name, "value": format_json(raw), "operators": ", ".join(field.operators)},
        )
        return None


def describe_shapes() -> str:
    """Return the valid shapes of a condition."""
    return _("Valid: %(shapes)s.") % {
        "shapes": '{"all": […]}, {"any": […]}, {"not": {…}}, {"sequence": […], "gap_days": …}, {"field": …, "op": …, "value": …}'
    }
