"""The builder of a question as its template shows it: rows of events with their conditions, lists to choose from, and errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.backoffice.date_range import PRESETS
from customers.analytics.backoffice.building import question_forms, vocabulary_choices
from customers.analytics.backoffice.building.drafts import (
    WITHOUT_VALUE,
    Draft,
    FieldErrors,
    get_row,
    get_rows,
    get_text,
    match_event,
)
from customers.analytics.backoffice.building.vocabulary_choices import ANY, EventCounts, OptionGroup
from customers.analytics.backoffice.event_texts import OPERATOR_LABELS
from customers.analytics.backoffice.question_pages import QuestionPage
from customers.analytics.expressions.formulas import LETTERS
from customers.analytics.expressions.matching import EventMatch
from customers.analytics.questions.trends import PROPERTY_MEASURES

type Options = list[tuple[str, str, bool]]


@dataclass
class SelectField:
    """A list to choose from: groups of value, text and whether it is selected."""

    name: str
    value: str
    groups: list[tuple[str, Options]]
    error: str = ""


@dataclass
class FilterRow:
    """A condition on a property; ``values``: those that exist, as value and text."""

    prefix: str
    property: SelectField
    op: SelectField
    value: str
    has_value: bool
    is_list: bool
    values: list[tuple[str, str]]
    error: str


@dataclass
class EventFields:
    """An event with its conditions."""

    prefix: str
    title: str
    event: SelectField
    filters: list[FilterRow]
    remove: str = ""
    measure: SelectField | None = None
    property: SelectField | None = None


@dataclass
class Builder:
    """The fields of a question's page."""

    question: str
    rows: dict[str, list[EventFields]] = field(default_factory=dict)
    events: dict[str, EventFields] = field(default_factory=dict)
    choices: dict[str, SelectField] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def url_name(self) -> str:
        return f"analytics:{self.question}"

    @property
    def other_errors(self) -> list[str]:
        """The errors of the question as a whole."""
        return [text for name, text in self.errors.items() if name == ""]


def make_choice(
    name: str, value: str, groups: Sequence[OptionGroup], error: str = "", *, empty: str | None = None
) -> SelectField:
    """Return a list with the value selected; a value that is not in it is added, as an old report may have one."""
    known = {option for group in groups for option, _text in group.options}
    shown: list[tuple[str, Options]] = [
        (group.label, [(option, text, option == value) for option, text in group.options]) for group in groups
    ]
    first: Options = [] if empty is None else [("", empty, not value)]
    if value and value not in known:
        first.append((value, value.partition(":")[2] or value, True))
    return SelectField(name, value, [*([("", first)] if first else []), *shown], error)


def make_plain_choice(
    draft: Draft, name: str, choices: Mapping[str, Any], default: str, error: str = ""
) -> SelectField:
    value = get_text(draft, name, default)
    options = [(key, str(label)) for key, label in choices.items()]
    return make_choice(name, value if value in choices else default, [OptionGroup("", options)], error)


class BuilderMaker:
    """Makes the builder of a draft."""

    def __init__(self, page: QuestionPage, draft: Draft, errors: FieldErrors, *, with_personal: bool) -> None:
        self.page, self.draft, self.errors = page, draft, errors.texts
        self.with_personal = with_personal
        self.counts: EventCounts = vocabulary_choices.read_event_counts()
        self.segments = vocabulary_choices.list_segments()
        self.properties: dict[EventMatch, list[tuple[str, str]]] = {}

    def make(self) -> Builder:
        """Return the builder."""
        builder = Builder(self.page.question, errors=self.errors)
        for name in ("steps", "exclusions", "series"):
            rows = get_rows(self.draft, name)
            builder.rows[name] = [self.make_event(row, name, number) for number, row in enumerate(rows)]
        for name in self.page.form.events:
            row = get_row(self.draft, name)
            builder.events[name] = self.make_event(row, name, None, is_optional=name in self.page.form.optional)
        builder.choices = self.make_choices()
        builder.texts = {name: value for name, value in self.draft.items() if isinstance(value, str)}
        return builder

    def make_event(self, row: Draft, name: str, number: int | None, *, is_optional: bool = False) -> EventFields:
        prefix = name if number is None else f"{name}.{number}"
        is_any = name in ("start", "anchor", "event")
        value, match = get_text(row, "event") or (ANY if is_any else ""), match_event(row)
        groups = vocabulary_choices.list_event_options(self.counts, with_personal=self.with_personal, value=value)
        empty = None if is_any else _("None") if is_optional else _("Choose an event")
        event_row = EventFields(
            prefix=prefix,
            title="" if number is None else LETTERS[number] if name == "series" else str(number + 1),
            event=make_choice(f"{prefix}.event", value, groups, self.errors.get(f"{prefix}.event", ""), empty=empty),
            filters=[
                self.make_filter(condition, f"{prefix}.filters.{position}", match)
                for position, condition in enumerate(get_rows(row, "filters"))
            ],
            remove="" if number is None else f"remove:{prefix}",
        )
        if name == "series":
            self.add_measure(event_row, row, prefix, match)
        return event_row

    def add_measure(self, event_row: EventFields, row: Draft, prefix: str, match: EventMatch) -> None:
        event_row.measure = make_plain_choice(row, "measure", question_forms.MEASURES, "events")
        event_row.measure.name = f"{prefix}.measure"
        if event_row.measure.value in PROPERTY_MEASURES:
            options = OptionGroup("", vocabulary_choices.list_number_options([match]))
            event_row.property = make_choice(
                f"{prefix}.property",
                get_text(row, "property", "value"),
                [options],
                self.errors.get(f"{prefix}.property", ""),
            )

    def list_properties(self, match: EventMatch) -> list[tuple[str, str]]:
        """Return the properties of an event, read once per page."""
        if match not in self.properties:
            self.properties[match] = vocabulary_choices.list_property_options(match)
        return self.properties[match]

    def make_filter(self, condition: Draft, prefix: str, match: EventMatch) -> FilterRow:
        name, op = get_text(condition, "property"), get_text(condition, "op", "eq")
        properties = OptionGroup("", self.list_properties(match))
        has_value = op not in WITHOUT_VALUE
        is_known = bool(name) and "'" not in name and has_value
        values = (
            vocabulary_choices.list_value_options(match, name, with_personal=self.with_personal) if is_known else []
        )
        op_choice = make_plain_choice(condition, "op", OPERATOR_LABELS, "eq")
        op_choice.name = f"{prefix}.op"
        return FilterRow(
            prefix=prefix,
            property=make_choice(
                f"{prefix}.property",
                name,
                [properties],
                self.errors.get(f"{prefix}.property", ""),
                empty=_("Choose a property"),
            ),
            op=op_choice,
            value=get_text(condition, "value"),
            has_value=has_value,
            is_list=op in ("in", "not_in"),
            values=values,
            error=self.errors.get(f"{prefix}.value", ""),
        )

    def make_choices(self) -> dict[str, SelectField]:
        """Return the lists of the question and those that all questions share."""
        draft, errors = self.draft, self.errors
        ranges = {key: label for key, (label, _make) in PRESETS.items()} | {question_forms.CUSTOM: _("Custom")}
        choices = {
            "range": make_plain_choice(draft, "range", ranges, "90d"),
            "segment": make_choice(
                "segment",
                get_text(draft, "segment"),
                [OptionGroup("", list(self.segments.items()))],
                errors.get("segment", ""),
                empty=_("Everyone"),
            ),
        }
        if self.page.form.has_breakdown:
            first = [match_event(row) for name in ("steps", "series") for row in get_rows(draft, name)[:1]]
            properties = self.list_properties(first[0]) if first else []
            options = vocabulary_choices.list_breakdown_options(properties, self.segments)
            value, error = get_text(draft, "breakdown"), errors.get("breakdown", "")
            choices["breakdown"] = make_choice("breakdown", value, options, error, empty=_("No breakdown"))
        lists: dict[str, tuple[tuple[str, Mapping[str, Any], str], ...]] = {
            "funnel": (("order", question_forms.ORDERS, "ordered"), ("window_unit", UNIT_LABELS, "day")),
            "retention": (
                ("cohort", question_forms.COHORTS, "first_order"),
                ("interval", question_forms.INTERVALS, "week"),
                ("measure", question_forms.RETENTION_MEASURES, "on"),
            ),
            "paths": (("direction", question_forms.DIRECTIONS, "forward"),),
            "products": (("level", question_forms.LEVELS, "product"), ("sort", question_forms.SORT_LABELS, "revenue")),
            "affinity": (
                ("level", question_forms.LEVELS, "product"),
                ("sort", question_forms.AFFINITY_SORTS, "people"),
            ),
            "repeat": (("level", question_forms.LEVELS, "product"), ("sort", question_forms.REPEAT_SORTS, "people")),
            "trends": (("interval", question_forms.TREND_INTERVALS, "day"),),
            "activity": (("interval", question_forms.INTERVALS, "week"),),
            "stickiness": (("interval", question_forms.LONG_INTERVALS, "week"),),
        }
        for name, options_by_key, default in lists.get(self.page.question, ()):
            choices[name] = make_plain_choice(draft, name, options_by_key, default, errors.get(name, ""))
        if self.page.question == "paths":
            anchor = match_event(get_row(draft, "anchor"))
            named = OptionGroup("", self.list_properties(anchor))
            choices["label"] = make_choice(
                "label", get_text(draft, "label"), [named], errors.get("label", ""), empty=_("The event's name")
            )
        return choices


UNIT_LABELS = {key: label for key, (_seconds, label) in question_forms.UNITS.items()}
