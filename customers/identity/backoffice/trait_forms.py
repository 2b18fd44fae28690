"""The form of a customer's traits: one field for each, of the type of its value, instead of JSON."""

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from config.foundation.json_nesting import load_json
from customers.identity.models import Customer
from customers.identity.personal_data.masking import is_hidden_trait
from customers.identity.personal_data.personal_traits import PERSONAL_TRAITS
from customers.identity.traits import IGNORED_TRAITS, MAX_TRAIT_NAME, MAX_TRAITS, find_trait_problem

TEXT, NUMBER, FLAG, DATE, LIST = "text", "number", "flag", "date", "list"
KINDS = (
    (TEXT, gettext_lazy("Text")),
    (NUMBER, gettext_lazy("Number")),
    (FLAG, gettext_lazy("Yes or no")),
    (DATE, gettext_lazy("Date")),
    (LIST, gettext_lazy("List")),
)
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}")
SEPARATORS = re.compile(r"[,，\n]")


def find_kind(value: Any) -> str:
    """Return the kind of a value; "" if it has no field, such as an object."""
    if isinstance(value, bool):
        return FLAG
    if isinstance(value, int | float):
        return NUMBER
    if isinstance(value, str):
        return DATE if ISO_DATE.fullmatch(value) else TEXT
    if not isinstance(value, list) or not all(isinstance(item, str | int | float) for item in value):
        return ""
    has_text_of_its_own = any(
        isinstance(item, bool) or (isinstance(item, str) and SEPARATORS.search(item)) for item in value
    )
    return "" if has_text_of_its_own else LIST


def format_value(value: Any, kind: str) -> str:
    """Return a value as the text of its field."""
    if kind == FLAG:
        return "true" if value else "false"
    return ", ".join(map(str, value)) if kind == LIST else str(value)


def parse_value(text: str, kind: str, *, old: Any = None) -> Any:
    """Return the value of a field; old: a list of numbers stays one. Errors: ValidationError."""
    if kind == TEXT:
        return text.replace("\r\n", "\n") if isinstance(old, str) else text.strip()
    text = text.strip()
    if kind == NUMBER:
        return parse_number(text)
    if kind == FLAG:
        if text.casefold() not in YES | NO:
            raise forms.ValidationError(_("Enter yes or no."))
        return text.casefold() in YES
    if kind == DATE:
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError as error:
            raise forms.ValidationError(_("Enter a date as YYYY-MM-DD.")) from error
    items = [item.strip() for item in SEPARATORS.split(text) if item.strip()]
    has_numbers = isinstance(old, list) and bool(old) and not any(isinstance(item, str) for item in old)
    return [parse_number(item) for item in items] if has_numbers else items


YES, NO = frozenset({"true", "yes", "1", "是"}), frozenset({"false", "no", "0", "否"})


def parse_number(text: str) -> int | float:
    try:
        return int(text) if WHOLE_NUMBER.fullmatch(text) else float(text)
    except ValueError as error:
        raise forms.ValidationError(_("Enter a number, such as 4 or 2.5.")) from error


class TraitForm(forms.Form):
    """One trait. old: its value when the form was shown, as JSON; only what the user has changed since is written."""

    name = forms.CharField(label=pgettext_lazy("thing", "Name"), max_length=MAX_TRAIT_NAME)
    kind = forms.ChoiceField(label=gettext_lazy("Type"), choices=KINDS, initial=TEXT)
    value = forms.CharField(label=gettext_lazy("Value"), required=False, strip=False)
    old = forms.CharField(widget=forms.HiddenInput, required=False)
    remove = forms.BooleanField(label=gettext_lazy("Remove"), required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors or cleaned.get("remove"):
            return cleaned
        if not cleaned.get("value", "").strip():
            self.add_error("value", _("Enter a value, or tick Remove."))
            return cleaned
        try:
            old = load_json(cleaned.get("old") or "null")
            cleaned["parsed"] = parse_value(cleaned["value"], cleaned["kind"], old=old)
        except (forms.ValidationError, ValueError) as error:
            self.add_error("value", error if isinstance(error, forms.ValidationError) else str(error))
            return cleaned
        if problem := find_trait_problem(cleaned["name"], cleaned["parsed"]):
            self.add_error("value", problem)
        return cleaned


class BaseTraitFormSet(forms.BaseFormSet):
    """The fields of all traits, and one more for a new trait."""

    def __init__(self, *args: Any, customer: Customer, with_personal: bool, **kwargs: Any) -> None:
        self.customer, self.with_personal = customer, with_personal
        self.traits = customer.traits if isinstance(customer.traits, dict) else {}
        initial = list_initial(self.traits, with_personal=with_personal)
        super().__init__(*args, **kwargs | {"prefix": "traits", "initial": initial})

    def clean(self) -> None:
        if any(self.errors):
            return
        changes = self.collect_changes()
        names = [name for name in changes if changes[name] is not None]
        if len(self.traits.keys() | set(names)) > MAX_TRAITS:
            raise forms.ValidationError(_("A customer can have at most %(max)d traits.") % {"max": MAX_TRAITS})

    def check_new_name(self, form: forms.BaseForm, name: str, value: Any) -> None:
        """Report a new trait that exists, that is a field of the customer, or that the user may not see."""
        if name in PERSONAL_TRAITS or name in IGNORED_TRAITS:
            form.add_error("name", _("%(name)s is a field of the customer record; change it there.") % {"name": name})
        elif not self.with_personal and is_hidden_trait(name, value):
            form.add_error("name", _("You don't have permission to set personal data."))
        elif name in self.traits:
            form.add_error("name", _("The customer already has a trait %(name)s; change its value.") % {"name": name})

    def collect_changes(self) -> dict[str, Any]:
        """Return what the user has changed by name; None removes a trait."""
        changes: dict[str, Any] = {}
        shown = {row["name"] for row in list_initial(self.traits, with_personal=self.with_personal)}
        for form in self.forms:
            cleaned: Mapping[str, Any] = getattr(form, "cleaned_data", {})
            name, old = cleaned.get("name"), cleaned.get("old")
            if not name or (not old and cleaned.get("remove")):
                continue
            if not old:
                self.check_new_name(form, name, cleaned.get("parsed"))
                changes[name] = cleaned.get("parsed")
            elif name not in shown:
                continue  # removed meanwhile, or not one that this user may change
            elif cleaned.get("remove"):
                changes[name] = None
            elif json.dumps(cleaned.get("parsed")) != json.dumps(load_json(old)):
                changes[name] = cleaned["parsed"]
        return changes


def list_initial(traits: Mapping[str, Any], *, with_personal: bool) -> list[dict[str, Any]]:
    """Return the traits that have a field and that the user may see, in alphabetical order."""
    return [
        {
            "name": name,
            "kind": kind,
            "value": format_value(value, kind),
            "old": json.dumps(value),
            "is_long": isinstance(value, str) and "\n" in value,
        }
        for name, value in sorted(traits.items())
        if (kind := find_kind(value)) and (with_personal or not is_hidden_trait(name, value))
    ]


TraitFormSet: Any = forms.formset_factory(TraitForm, formset=BaseTraitFormSet, extra=1, max_num=MAX_TRAITS + 1)


def make_trait_forms(customer: Customer, *, with_personal: bool, data: Mapping[str, Any] | None = None) -> Any:
    """Return the forms of a customer's traits."""
    return TraitFormSet(data, customer=customer, with_personal=with_personal)
