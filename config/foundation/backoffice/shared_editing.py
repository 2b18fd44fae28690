"""Forms of objects that several people edit: saving a form keeps what a colleague saved since the page was opened."""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.utils.timezone import is_aware
from django.utils.translation import gettext as _

FIELD = "opened_state"
OPENED_STATE_TEMPLATE = (
    "admin/includes/opened_state.html"  # renders the field, for `change_form_before_template` of an admin
)


class OpenedStateField(forms.CharField):
    """The stored values when the page was opened, as digests; not a field of the object, so it never counts as changed."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class SharedEditingForm(forms.ModelForm):
    """A model form that does not overwrite a colleague's change.

    A form contains every field, so saving it writes also those that its user left unchanged. The hidden field ``opened_state``, which the
    page has to render, contains a digest of each value when the page was opened. A field that only a colleague changed keeps the stored
    value; a field that both changed gets an error. ``shared_fields``: the compared fields; all if empty.
    """

    opened_state = OpenedStateField(required=False)
    shared_fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.initial[FIELD] = self.describe_opened_state  # called by Django, after a subclass has set up its fields

    def describe_opened_state(self) -> str:
        return " ".join(f"{name}:{compute_digest(self.get_stored_value(name))}" for name in self.list_shared_fields())

    def list_shared_fields(self) -> list[str]:
        names = self.shared_fields or [name for name in self.fields if name != FIELD]
        return [name for name in names if name in self.fields and not self.fields[name].disabled]

    def get_stored_value(self, name: str) -> Any:
        """Return the stored value of a field, in the type that the form's cleaned value has."""
        field = self.fields[name]
        value = self.get_initial_for_field(field, name)
        if isinstance(field, forms.IntegerField):  # also decimals; a text is a shortened form of a number
            try:
                return field.to_python(value)
            except ValidationError:
                return value
        return value

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self.keep_changes_of_others(cleaned)
        return cleaned

    def keep_changes_of_others(self, cleaned: dict[str, Any]) -> None:
        """Keep what was saved since the page was opened in fields that this user left unchanged; refuse fields that both changed."""
        opened = read_opened_state(cleaned.pop(FIELD, ""))
        if self.instance.pk is None:
            return
        for name in self.list_shared_fields():
            if name not in opened or name not in cleaned:
                continue
            stored, entered = self.get_stored_value(name), compute_digest(cleaned[name])
            if compute_digest(stored) in (opened[name], entered):
                continue
            if entered == opened[name]:
                field = self.fields[name]
                is_relation = isinstance(
                    field, forms.ModelChoiceField
                )  # its stored value is a key, or a list of objects
                cleaned[name] = field.clean(field.prepare_value(stored)) if is_relation else stored
                continue
            self.add_error(
                name,
                _(
                    "Somebody else has changed this field since you opened the page. Copy your change, reload the page and enter it again."
                ),
            )


def read_opened_state(text: str) -> dict[str, str]:
    """Return the digests of a form by field; none for what is not one."""
    return {name: digest for name, _colon, digest in (part.partition(":") for part in text.split()) if digest}


def compute_digest(value: Any) -> str:
    """Return a digest of a field's value that is the same for the stored, the initial and the cleaned value."""
    text = json.dumps(normalize_value(value), sort_keys=True, default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def normalize_value(value: Any) -> Any:
    """Return a value without the differences that a browser, a form and the database make."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value.replace("\r\n", "\n")
    if isinstance(value, Model):
        return value.pk
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, datetime):
        return value.timestamp() if is_aware(value) else value.isoformat()
    if isinstance(value, QuerySet) or (isinstance(value, list) and any(isinstance(item, Model) for item in value)):
        return sort_keys(value)
    return value


def sort_keys(objects: Iterable[Any]) -> list[Any]:
    return sorted(item.pk if isinstance(item, Model) else item for item in objects)
