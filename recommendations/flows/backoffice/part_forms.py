"""Forms of triggers, steps and goals, built from the fields of the definition schema."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.number_formats import join_label
from customers.events.event_taxonomy import EVENT_NAMES
from customers.segments.backoffice.forms import ConditionFormField, ConditionWidget
from customers.segments.models import Segment
from recommendations.flows.backoffice.filter_rows import FilterRowsField, parse_scalar
from recommendations.flows.backoffice.flow_labels import label_choice, label_field
from recommendations.flows.machine.definition_schema import (
    DURATION_UNITS,
    ORDER_PLACED,
    SEGMENT_STEPS,
    DefinitionField,
    FieldKind,
)
from recommendations.messaging.channels import Channel
from recommendations.messaging.models import MessageTemplate

CHANNELS = {"offer": [Channel.ON_SITE], "webhook": [Channel.WEBHOOK]}
UNIT_LABELS = {"days": gettext_lazy("days"), "hours": gettext_lazy("hours"), "minutes": gettext_lazy("minutes")}
HOUR_HELP = gettext_lazy(
    "HH:MM in the customer's time zone, or “best” for the hour at which the customer orders most often."
)
WEIGHTS_HELP = gettext_lazy("One variant per line: name and share. Example: a 50")
EVENT_HELP = gettext_lazy("The name as your shop sends it, or order_placed for every new order, from any source.")
SEGMENT_HELP = gettext_lazy("Entries and exits are recorded within half a minute of what the customer did.")
EVERYONE: Mapping[str, Any] = {"all": []}


class PartForm(forms.Form):
    """The form of one part or step. part_kind: the kind of trigger, step, goal or exit, or the name of a part without kinds."""

    def __init__(
        self,
        *args: Any,
        part_kind: str,
        part_fields: Sequence[DefinitionField],
        values: Mapping[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.part_fields = part_fields
        for known in part_fields:
            for name, field in build_fields(known, part_kind, values.get(known.name)).items():
                self.fields[name] = field

    def read_settings(self) -> dict[str, Any]:
        """Return the fields of the definition; the definition's own checks report what is wrong with them."""
        settings = {}
        for known in self.part_fields:
            value = read_value(known, self.cleaned_data)
            if value is not None:
                settings[known.name] = value
        return settings


def build_fields(known: DefinitionField, kind: str, value: Any) -> dict[str, forms.Field]:
    """Return the form fields of one field of the definition, with its present value."""
    label, required = label_field(known.name, kind).capitalize(), known.required
    if known.kind == FieldKind.DURATION:
        present = value if isinstance(value, Mapping) else {"days": 1}
        return {
            f"{known.name}_{unit}": forms.IntegerField(
                label=join_label(label, UNIT_LABELS[unit]), min_value=0, required=False, initial=present.get(unit, 0)
            )
            for unit in DURATION_UNITS
        }
    if known.kind == FieldKind.CONDITION:
        return {known.name: build_condition_field(value)}
    if known.name == "template":
        return {known.name: forms.ChoiceField(label=label, choices=list_templates(kind), initial=value)}
    if known.name == "segment":
        return {known.name: build_segment_field(label, value, is_static=kind in SEGMENT_STEPS)}
    return {known.name: build_plain_field(known, label, value, required=required)}


def build_segment_field(label: str, value: Any, *, is_static: bool) -> forms.Field:
    """Return a choice of segments by name; a segment that no longer exists is not replaced by another one unnoticed."""
    segments = Segment.objects.filter(kind=Segment.Kind.STATIC) if is_static else Segment.objects.all()
    names = sorted(segments.values_list("key", "name"), key=lambda row: row[1].casefold())
    placeholder = _("Choose a segment") if names else _("There is no segment yet. Create one under Segments.")
    is_known = any(key == value for key, _title in names)
    return forms.ChoiceField(
        label=label,
        choices=[("", placeholder), *names],
        initial=value if is_known else "",
        help_text="" if is_static else SEGMENT_HELP,
    )


def build_plain_field(known: DefinitionField, label: str, value: Any, *, required: bool) -> forms.Field:
    match known.kind:
        case FieldKind.INTEGER:
            return forms.IntegerField(label=label, required=required, initial=value)
        case FieldKind.NUMBER:
            return forms.FloatField(label=label, required=required, initial=value)
        case FieldKind.FLAG:
            return forms.BooleanField(label=label, required=False, initial=bool(value))
        case FieldKind.CHOICE:
            choices = [(name, label_choice(name, known.name)) for name in known.choices]
            return forms.ChoiceField(label=label, choices=choices, initial=value)
        case FieldKind.CHOICES:
            choices = [(name, label_choice(name, known.name)) for name in known.choices]
            widget = forms.CheckboxSelectMultiple
            return forms.MultipleChoiceField(
                label=label, choices=choices, required=required, initial=value, widget=widget
            )
        case FieldKind.FILTERS:
            return FilterRowsField(label=label, required=False, initial=value or [])
        case FieldKind.WEIGHTS:
            text = "\n".join(f"{name} {weight:g}" for name, weight in (value or {"a": 50, "b": 50}).items())
            return forms.CharField(
                label=label, initial=text, widget=forms.Textarea(attrs={"rows": 3}), help_text=WEIGHTS_HELP
            )
        case FieldKind.HOUR:
            return forms.CharField(label=label, initial=value or "09:00", help_text=HOUR_HELP)
    if known.name == "event":
        suggestions = forms.TextInput(attrs={"list": "event-names", "autocomplete": "off"})
        return forms.CharField(label=label, initial=value, widget=suggestions, help_text=EVENT_HELP)
    return forms.CharField(label=label, required=required, initial=value, max_length=200)


def build_condition_field(value: Any) -> forms.Field:
    """Return the condition builder of segments."""
    widget = ConditionWidget(attrs={"rows": 6, "cols": 80})
    return ConditionFormField(label=_("Condition"), required=False, initial=value or EVERYONE, widget=widget)


def list_templates(kind: str) -> list[tuple[str, str]]:
    templates = MessageTemplate.objects.filter(archived_at=None)
    if kind in CHANNELS:
        templates = templates.filter(channel__in=CHANNELS[kind])
    else:
        templates = templates.exclude(channel__in=[Channel.WEBHOOK, Channel.ON_SITE])
    return list(templates.order_by("name").values_list("key", "name"))


def list_event_names() -> list[str]:
    """Return the names that the shop may send, for suggestions."""
    return [ORDER_PLACED, *(names[0] for names in EVENT_NAMES.values())]


def read_value(known: DefinitionField, cleaned: Mapping[str, Any]) -> Any:
    """Return the value of one field of the definition; None leaves it out."""
    if known.kind == FieldKind.DURATION:
        amounts = {unit: cleaned.get(f"{known.name}_{unit}") or 0 for unit in DURATION_UNITS}
        return {unit: amount for unit, amount in amounts.items() if amount}
    value = cleaned.get(known.name)
    if known.kind == FieldKind.CONDITION:
        return EVERYONE if value in (None, "", {}) else value
    if known.kind == FieldKind.FILTERS:
        return value or None
    if known.kind == FieldKind.WEIGHTS:
        return parse_weights(value or "")
    if known.kind == FieldKind.VALUE:
        return parse_scalar(value or "")
    return None if value in (None, "", []) else value


def parse_weights(text: str) -> dict[str, Any]:
    weights: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _space, share = line.rpartition(" ")
        weights[name.strip()] = parse_scalar(share.strip().rstrip("%"))
    return weights
