"""The form field for a code of the second factor."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

MAX_LENGTH = 30


class CodeField(forms.CharField):
    """A code that phones and password managers fill in."""

    def __init__(self, *, autofocus: bool = False, **kwargs: Any) -> None:
        attrs = {
            "autocomplete": "one-time-code",
            "autocapitalize": "none",
            "spellcheck": "false",
            **({"autofocus": True} if autofocus else {}),
        }
        super().__init__(max_length=MAX_LENGTH, widget=UnfoldAdminTextInputWidget(attrs=attrs), **kwargs)
