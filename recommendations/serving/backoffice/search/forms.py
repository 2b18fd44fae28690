"""Forms of the back office's pages of search."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.utils.translation import gettext_lazy as _

from recommendations.serving.rest.search.request import LONGEST_ID, LONGEST_PATH, LONGEST_QUERY, SearchRequest, Sort
from recommendations.serving.search.models import LONGEST_TERM, Synonym, validate_words

COMMAS = re.compile(r"[,，、;；\n]")


class TermsField(SimpleArrayField):
    """Terms separated by commas, English or Chinese ones, semicolons or line ends; each once."""

    def __init__(self, base_field: forms.Field | None = None, **kwargs: Any) -> None:
        super().__init__(forms.CharField(max_length=LONGEST_TERM, validators=[validate_words]), **kwargs)

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


BORDERED = (
    "border border-base-200 dark:border-base-700 bg-white dark:bg-base-900 rounded-default px-3 py-2 font-normal min-w-0 "
    "text-font-default-light dark:text-font-default-dark"
)


class SearchPreviewForm(forms.Form):
    q = forms.CharField(label=_("query"), required=False, max_length=LONGEST_QUERY, help_text=_("Empty: everything."))
    user_id = forms.CharField(
        label=_("user id"), required=False, max_length=LONGEST_ID, help_text=_("Empty: a new visitor.")
    )
    anonymous_id = forms.CharField(label=_("anonymous id"), required=False, max_length=LONGEST_ID)
    category = forms.CharField(label=_("category path"), required=False, max_length=LONGEST_PATH)
    brand = forms.CharField(label=_("brand"), required=False, max_length=LONGEST_ID)
    sort = forms.ChoiceField(
        label=_("sort by"),
        required=False,
        choices=[
            (Sort.RELEVANCE.value, _("best first")),
            (Sort.CHEAPEST.value, _("cheapest first")),
            (Sort.DEAREST.value, _("dearest first")),
            (Sort.NEWEST.value, _("newest first")),
        ],
    )
    personalised = forms.BooleanField(label=_("in the person's order"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if not isinstance(field, forms.BooleanField):
                field.widget.attrs["class"] = BORDERED

    def request(self, *, language: str) -> SearchRequest:
        wanted = self.cleaned_data
        return SearchRequest(
            q=wanted["q"],
            user_id=wanted["user_id"],
            anonymous_id=wanted["anonymous_id"],
            category=wanted["category"],
            brand=wanted["brand"],
            sort=Sort(wanted["sort"] or Sort.RELEVANCE),
            personalised=wanted["personalised"],
            language=language,
        )
