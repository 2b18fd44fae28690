"""Forms for synonyms and the search preview."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.utils.translation import gettext_lazy as _

from recommendations.serving.search.models import MAX_TERM_LENGTH, Synonym, validate_words
from recommendations.serving.search.request import (
    MAX_ID_LENGTH,
    MAX_PATH_LENGTH,
    MAX_QUERY_LENGTH,
    SearchRequest,
    SearchSort,
)

COMMAS = re.compile(r"[,，、;；\n]")


class TermsField(SimpleArrayField):
    """Terms separated by commas (Western or Chinese), semicolons or line breaks.

    Duplicates are removed.
    """

    def __init__(self, base_field: forms.Field | None = None, **kwargs: Any) -> None:
        super().__init__(forms.CharField(max_length=MAX_TERM_LENGTH, validators=[validate_words]), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> Sequence[str]:
        parts = [part.strip() for part in COMMAS.split(str(value or ""))]
        return super().clean(",".join(dict.fromkeys(part for part in parts if part)))


class SynonymForm(forms.ModelForm):
    class Meta:
        model = Synonym
        fields = ("terms", "replacements", "language", "enabled")
        field_classes = {"terms": TermsField, "replacements": TermsField}


INPUT_CLASSES = (
    "border border-base-200 dark:border-base-700 bg-white dark:bg-base-900 rounded-default px-3 py-2 font-normal min-w-0 "
    "text-font-default-light dark:text-font-default-dark"
)


class SearchPreviewForm(forms.Form):
    q = forms.CharField(
        label=_("query"), required=False, max_length=MAX_QUERY_LENGTH, help_text=_("Leave empty for all products.")
    )
    user_id = forms.CharField(
        label=_("user ID"), required=False, max_length=MAX_ID_LENGTH, help_text=_("Leave empty for a new visitor.")
    )
    anonymous_id = forms.CharField(label=_("anonymous ID"), required=False, max_length=MAX_ID_LENGTH)
    category = forms.CharField(label=_("category path"), required=False, max_length=MAX_PATH_LENGTH)
    brand = forms.CharField(label=_("brand"), required=False, max_length=MAX_ID_LENGTH)
    sort = forms.ChoiceField(
        label=_("sort by"),
        required=False,
        choices=[
            (SearchSort.RELEVANCE.value, _("relevance")),
            (SearchSort.CHEAPEST.value, _("price: low to high")),
            (SearchSort.MOST_EXPENSIVE.value, _("price: high to low")),
            (SearchSort.NEWEST.value, _("newest first")),
            (SearchSort.BEST_SELLING.value, _("best-selling first")),
        ],
    )
    personalised = forms.BooleanField(label=_("personal order"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if not isinstance(field, forms.BooleanField):
                field.widget.attrs["class"] = INPUT_CLASSES

    def make_request(self, *, language: str) -> SearchRequest:
        values = self.cleaned_data
        return SearchRequest(
            q=values["q"],
            user_id=values["user_id"],
            anonymous_id=values["anonymous_id"],
            category=values["category"],
            brand=values["brand"],
            sort=SearchSort(values["sort"] or SearchSort.RELEVANCE),
            personalised=values["personalised"],
            language=language,
        )
