"""The form of a segment, with the condition builder."""

from typing import Any

from django import forms
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminFileFieldWidget

from catalog.product_picker.fields import PickerMedia, ProductPicker
from config.foundation.backoffice.shared_editing import SharedEditingForm
from config.foundation.text_encoding import make_encodable
from customers.segments.conditions.catalog_names import list_traits
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.conditions.fields import describe_fields
from customers.segments.editing import (
    RESERVED_KEYS,
    MemberFileError,
    check_condition,
    make_segment_key,
    read_user_ids,
)
from customers.segments.models import Segment

MAX_LIST_BYTES = 50 * 1024 * 1024


class ConditionWidget(forms.Textarea):
    """A text area with the condition as JSON; a script replaces it with the condition builder."""

    template_name = "segments/condition_builder.html"
    segment_key = ""

    class Media:
        css = {"all": [*PickerMedia.css["all"], "segments/condition-builder.css"]}
        js = [*PickerMedia.js, "segments/condition-builder.js"]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["segment_key"] = self.segment_key
        context["widget"]["picker"] = ProductPicker().render(
            "", None
        )  # the builder copies it for each condition on products
        context["widget"]["builder"] = {
            "fields": describe_fields(traits=list_traits()),
            "texts": get_builder_texts(),
            "previewUrl": reverse("admin:segments_segment_preview"),
            "suggestUrl": reverse("admin:segments_segment_suggest"),
        }
        return context


def get_builder_texts() -> dict[str, str]:
    """Return the texts of the condition builder in the active language."""
    return {
        "all": _("All of these conditions"),
        "any": _("Any of these conditions"),
        "not": _("not"),
        "group": _("Add a group"),
        "comparison": _("Add a condition"),
        "remove": _("Remove"),
        "allCustomers": _("No conditions: all customers."),
        "field": _("field"),
        "operator": _("comparison"),
        "value": _("value"),
        "from": _("from"),
        "to": _("to"),
        "and": _("and"),
        "days": _("days"),
        "times": _("number of times"),
        "timesUnit": _("times"),
        "ever": _("ever"),
        "lastDays": _("in the last … days"),
        "betweenDates": _("between two dates"),
        "period": _("period"),
        "search": _("Search for a field or a value, such as coffee"),
        "searchEmpty": _("Nothing found. Try another word."),
        "sequence": _("A, then B"),
        "sequenceHelp": _("Two events in order, such as viewed, then bought"),
        "first": _("first"),
        "then": _("then"),
        "gap": _("at most"),
        "gapDays": _("days later"),
        "butNotLately": _("%(name)s, but not in the last 30 days"),
        "customersOf": _("%(count)s customers"),
        "incomplete": _("Complete the conditions to see how many customers match."),
        "yes": _("yes"),
        "no": _("no"),
        "add": _("Add"),
        "addHint": _("Type a value and press Enter. Separate multiple values with commas."),
        "otherTrait": _("Other trait…"),
        "trait": _("Trait name"),
        "counted": _("counted in %(ms)s ms"),
        "counting": _("Counting…"),
        "unreachable": _("The count could not be loaded: %(reason)s"),
        "json": _("Show as JSON"),
        "builder": _("Show as form"),
        "badJson": _("Not valid JSON: %(reason)s"),
        "invalid": _("This condition is not valid:"),
    }


class ConditionFormField(forms.JSONField):
    """A condition as JSON; what cannot be encoded is shown escaped, and what is nested too deeply is not valid."""

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except RecursionError:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid", params={"value": "…"}) from None

    def prepare_value(self, value: Any) -> Any:
        return make_encodable(super().prepare_value(value))


class SegmentForm(SharedEditingForm):
    shared_fields = ("name", "description", "condition")

    condition = ConditionFormField(
        label=gettext_lazy("Condition"), required=False, widget=ConditionWidget(attrs={"rows": 12, "cols": 80})
    )
    list_file = forms.FileField(
        label=gettext_lazy("List of customers"),
        required=False,
        widget=UnfoldAdminFileFieldWidget(),  # a script of django-unfold writes the name of the chosen file into its text field
        help_text=gettext_lazy(
            "For a static segment: a CSV file with a user_id column. It replaces the current list. Unknown user IDs are reported."
        ),
    )

    class Meta:
        model = Segment
        fields = ("key", "name", "description", "kind", "condition")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "condition" in self.fields and isinstance(widget := self.fields["condition"].widget, ConditionWidget):
            widget.segment_key = self.instance.key
        if "key" in self.fields:
            self.fields["key"].required = False
            self.fields["key"].help_text = _(
                "The name used in the API. If empty, it is generated from the segment's name."
            )
        if "description" in self.fields:
            self.fields["description"].widget.attrs["rows"] = 2

    def clean_key(self) -> str:
        """Return the key; an empty one, or one with only the digits of a Chinese name, is replaced by a key derived from the name."""
        key, name = str(self.cleaned_data["key"]), self.data.get("name", "")
        if not key or (key == slugify(name) and not name.isascii()):
            key = make_segment_key(name)
        if key in RESERVED_KEYS:
            raise forms.ValidationError(_("This key is reserved by the REST API."))
        return key

    def clean_list_file(self) -> list[str] | None:
        file = self.cleaned_data["list_file"]
        if not file:
            return None
        if file.size > MAX_LIST_BYTES:
            raise forms.ValidationError(_("The file is larger than %(size)d MB.") % {"size": MAX_LIST_BYTES // 2**20})
        try:
            return read_user_ids(file.read())
        except MemberFileError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("kind", self.instance.kind) == Segment.Kind.STATIC:
            cleaned["condition"] = {}
            return cleaned
        if cleaned.get("list_file") is not None:
            self.add_error("list_file", _("Only a static segment accepts a file; this segment has a condition."))
        if "condition" in cleaned:
            self.check_condition(cleaned["condition"], cleaned.get("key", self.instance.key))
        return cleaned

    def check_condition(self, condition: Any, key: str) -> None:
        try:
            check_condition(condition={} if condition is None else condition, key=key, as_of=timezone.now())
        except ConditionError as error:
            for problem in error.problems:
                self.add_error("condition", f"{problem.path}: {problem.message}")
