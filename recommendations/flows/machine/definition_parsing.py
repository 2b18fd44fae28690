"""Checks a flow definition and reports every problem with its step, its field and a code; the texts are made elsewhere."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from recommendations.flows.machine.definition_schema import (
    BEST_HOUR,
    DURATION_UNITS,
    EXIT_KINDS,
    FILTER_OPERATORS,
    FIXED_BRANCHES,
    GOAL_KINDS,
    MAX_DEPTH,
    MAX_EXITS,
    MAX_FILTERS,
    MAX_STEPS,
    MAX_TEXT,
    MAX_WAIT_DAYS,
    REENTRY_RULES,
    SCHEMA_VERSION,
    STEPS,
    TRIGGERS,
    DefinitionField,
    FieldKind,
)

KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
HOUR = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
STRUCTURE_CODES = frozenset({"not_a_list", "not_a_step", "bad_key", "doubled_key", "too_deep"})
STRUCTURE_FIELDS = frozenset({("kind", "unknown_kind"), ("branches", "not_an_object")})
TOP_LEVEL = frozenset({"schema", "trigger", "filter", "reentry", "goal", "exits", "steps"})


@dataclasses.dataclass(frozen=True)
class DefinitionProblem:
    """Why a definition is not valid.

    Attributes:
        part: the key of the step, or trigger, filter, reentry, goal, exits, steps or definition.
        field: of the step or part; empty for the whole.
        code: as in ``problem_messages.py``.
        values: what the message names, such as the wrong value.
    """

    part: str
    field: str
    code: str
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)


def list_problems(definition: object) -> list[DefinitionProblem]:
    """Return all problems of a definition that can be seen without a database; empty if it is valid."""
    parser = DefinitionParser()
    parser.check(definition)
    return parser.problems


def list_structure_problems(definition: Mapping[str, Any]) -> list[DefinitionProblem]:
    """Return the problems because of which not even the list of steps can be shown; a draft may have any others, or no steps."""
    if "steps" not in definition:
        return []
    return [
        problem
        for problem in list_problems(definition)
        if problem.part not in TOP_LEVEL - {"steps"}
        and (problem.code in STRUCTURE_CODES or (problem.field, problem.code) in STRUCTURE_FIELDS)
    ]


class DefinitionParser:
    """Collects the problems of one definition."""

    def __init__(self) -> None:
        self.problems: list[DefinitionProblem] = []
        self.keys: set[str] = set()

    def add(self, part: str, name: str, code: str, **values: object) -> None:
        texts = {key: value if isinstance(value, str) else repr(value) for key, value in values.items()}
        self.problems.append(DefinitionProblem(part, name, code, texts))

    def check(self, definition: object) -> None:
        if not isinstance(definition, Mapping):
            self.add("definition", "", "not_an_object")
            return
        for name in sorted(set(map(str, definition)) - TOP_LEVEL):
            self.add("definition", name, "unknown_field", valid=", ".join(sorted(TOP_LEVEL)))
        if definition.get("schema") != SCHEMA_VERSION:
            self.add("definition", "schema", "wrong_schema", value=definition.get("schema"))
        self.check_kind("trigger", definition.get("trigger"), TRIGGERS)
        self.check_price_drop(definition.get("trigger"))
        if definition.get("filter") is not None:
            self.check_condition("filter", "", definition["filter"])
        self.check_reentry(definition.get("reentry"))
        if definition.get("goal") is not None:
            self.check_kind("goal", definition["goal"], GOAL_KINDS)
        self.check_exits(definition.get("exits", []))
        self.check_steps(definition.get("steps"), "steps", depth=1)
        if isinstance(definition.get("steps"), list) and not definition["steps"]:
            self.add("steps", "", "no_steps")

    def check_kind(self, part: str, raw: object, kinds: Mapping[str, Sequence[DefinitionField]]) -> None:
        if not isinstance(raw, Mapping):
            self.add(part, "", "missing", valid=", ".join(kinds))
            return
        kind = raw.get("kind")
        if not isinstance(kind, str) or kind not in kinds:
            self.add(part, "kind", "unknown_kind", value=kind, valid=", ".join(kinds))
            return
        self.check_fields(part, raw, kinds[kind], extra={"kind"})
        if part in ("goal", "exits") and raw.get("condition") == {"all": []}:
            self.add(part, "condition", "everyone")

    def check_price_drop(self, trigger: object) -> None:
        if isinstance(trigger, Mapping) and trigger.get("change") == "price_drop" and "percent" not in trigger:
            self.add("trigger", "percent", "required")

    def check_reentry(self, raw: object) -> None:
        if not isinstance(raw, Mapping):
            self.add("reentry", "", "missing", valid=", ".join(REENTRY_RULES))
            return
        rule = raw.get("rule")
        if rule not in REENTRY_RULES:
            self.add("reentry", "rule", "unknown_choice", value=rule, valid=", ".join(REENTRY_RULES))
        fields = (DefinitionField("days", FieldKind.INTEGER, required=rule == "after", low=1, high=3_650),)
        self.check_fields("reentry", raw, fields, extra={"rule"})

    def check_exits(self, raw: object) -> None:
        if not isinstance(raw, list):
            self.add("exits", "", "not_a_list")
            return
        if len(raw) > MAX_EXITS:
            self.add("exits", "", "too_many", limit=str(MAX_EXITS))
        for item in raw:
            self.check_kind("exits", item, EXIT_KINDS)

    def check_steps(self, raw: object, part: str, *, depth: int) -> None:
        if not isinstance(raw, list):
            self.add(part, "", "not_a_list")
            return
        if depth > MAX_DEPTH:
            self.add(part, "", "too_deep", limit=str(MAX_DEPTH))
            return
        for step in raw:
            self.check_step(step, part, depth=depth)

    def check_step(self, step: object, part: str, *, depth: int) -> None:
        if not isinstance(step, Mapping):
            self.add(part, "", "not_a_step")
            return
        key = step.get("key")
        if not isinstance(key, str) or not KEY.fullmatch(key):
            self.add(part, "key", "bad_key", value=key)
            return
        if key in self.keys:
            self.add(key, "key", "doubled_key", value=key)
            return
        self.keys.add(key)
        if len(self.keys) == MAX_STEPS + 1:
            self.add("steps", "", "too_many", limit=str(MAX_STEPS))
        kind = step.get("kind")
        if not isinstance(kind, str) or kind not in STEPS:
            self.add(key, "kind", "unknown_kind", value=kind, valid=", ".join(STEPS))
            return
        has_branches = kind in FIXED_BRANCHES or kind == "split"
        self.check_fields(key, step, STEPS[kind], extra={"key", "kind"} | ({"branches"} if has_branches else set()))
        if has_branches:
            self.check_branches(key, kind, step, depth=depth)

    def check_branches(self, key: str, kind: str, step: Mapping[Any, Any], *, depth: int) -> None:
        weights = step.get("weights")
        names = FIXED_BRANCHES.get(kind) or tuple(weights if isinstance(weights, Mapping) else ())
        branches = step.get("branches", {})
        if not isinstance(branches, Mapping):
            self.add(key, "branches", "not_an_object")
            return
        for name in branches:
            if name not in names:
                self.add(key, "branches", "unknown_choice", value=name, valid=", ".join(names))
        for name in names:
            self.check_steps(branches.get(name, []), key, depth=depth + 1)

    def check_fields(
        self, part: str, raw: Mapping[Any, Any], fields: Sequence[DefinitionField], *, extra: set[str]
    ) -> None:
        valid = {known.name for known in fields} | extra
        for name in sorted(set(map(str, raw)) - valid):
            self.add(part, name, "unknown_field", valid=", ".join(sorted(valid)))
        for known in fields:
            value = raw.get(known.name)
            if value is None or value == "" or (value == [] and known.kind != FieldKind.FILTERS):
                if known.required:
                    self.add(part, known.name, "required")
                continue
            self.check_value(part, known, value)

    def check_value(self, part: str, known: DefinitionField, value: object) -> None:
        if known.kind == FieldKind.TEXT:
            if not isinstance(value, str) or len(value) > MAX_TEXT or "\0" in value:
                self.add(part, known.name, "bad_text", limit=str(MAX_TEXT))
        elif known.kind in (FieldKind.INTEGER, FieldKind.NUMBER):
            self.check_number(part, known, value)
        elif known.kind == FieldKind.FLAG:
            if not isinstance(value, bool):
                self.add(part, known.name, "not_a_flag", value=value)
        elif known.kind in (FieldKind.CHOICE, FieldKind.CHOICES):
            self.check_choices(part, known, value)
        elif known.kind == FieldKind.DURATION:
            self.check_duration(part, known.name, value)
        elif known.kind == FieldKind.CONDITION:
            self.check_condition(part, known.name, value)
        elif known.kind == FieldKind.FILTERS:
            self.check_filters(part, known.name, value)
        elif known.kind == FieldKind.VALUE:
            if not isinstance(value, str | int | float | bool):
                self.add(part, known.name, "not_a_value", value=value)
        elif known.kind == FieldKind.HOUR:
            if not isinstance(value, str) or (value != BEST_HOUR and not HOUR.fullmatch(value)):
                self.add(part, known.name, "bad_hour", value=value)
        elif known.kind == FieldKind.WEIGHTS:
            self.check_weights(part, known.name, value)

    def check_number(self, part: str, known: DefinitionField, value: object) -> None:
        types = (int,) if known.kind == FieldKind.INTEGER else (int, float)
        if isinstance(value, bool) or not isinstance(value, types) or not known.low <= value <= known.high:
            self.add(part, known.name, "out_of_range", value=value, low=f"{known.low:g}", high=f"{known.high:g}")

    def check_choices(self, part: str, known: DefinitionField, value: object) -> None:
        values = value if known.kind == FieldKind.CHOICES else [value]
        if not isinstance(values, list):
            self.add(part, known.name, "not_a_list")
            return
        for item in values:
            if item not in known.choices:
                self.add(part, known.name, "unknown_choice", value=item, valid=", ".join(known.choices))

    def check_duration(self, part: str, name: str, value: object) -> None:
        if not isinstance(value, Mapping) or set(value) - set(DURATION_UNITS):
            self.add(part, name, "bad_duration", value=value)
            return
        amounts = list(value.values())
        if any(isinstance(amount, bool) or not isinstance(amount, int) or amount < 0 for amount in amounts):
            self.add(part, name, "bad_duration", value=value)
            return
        minutes = value.get("days", 0) * 1440 + value.get("hours", 0) * 60 + value.get("minutes", 0)
        if not 1 <= minutes <= MAX_WAIT_DAYS * 1440:
            self.add(part, name, "bad_length", limit=str(MAX_WAIT_DAYS))

    def check_condition(self, part: str, name: str, value: object) -> None:
        if not isinstance(value, Mapping):
            self.add(part, name, "not_a_condition")

    def check_filters(self, part: str, name: str, value: object) -> None:
        if not isinstance(value, list) or len(value) > MAX_FILTERS:
            self.add(part, name, "bad_filters", limit=str(MAX_FILTERS))
            return
        for item in value:
            if not isinstance(item, Mapping) or not isinstance(item.get("property"), str) or not item["property"]:
                self.add(part, name, "filter_without_property")
            elif item.get("op") not in FILTER_OPERATORS:
                self.add(part, name, "unknown_choice", value=item.get("op"), valid=", ".join(FILTER_OPERATORS))
            elif item["op"] in ("is_set", "is_not_set"):
                continue
            elif not isinstance(item.get("value"), str | int | float | bool):
                self.add(part, name, "filter_without_value", value=item["property"])
            elif item["op"] in ("at_least", "at_most") and (
                isinstance(item["value"], bool) or not isinstance(item["value"], int | float)
            ):
                self.add(part, name, "filter_without_number", value=item["property"])

    def check_weights(self, part: str, name: str, value: object) -> None:
        if not isinstance(value, Mapping) or not 2 <= len(value) <= 10:
            self.add(part, name, "bad_weights", value=value)
            return
        for key, weight in value.items():
            if not isinstance(key, str) or not KEY.fullmatch(key):
                self.add(part, name, "bad_key", value=key)
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1_000:
                self.add(part, name, "out_of_range", value=weight, low="0", high="1000")
                return
        if not sum(value.values()):
            self.add(part, name, "bad_weights", value=value)
