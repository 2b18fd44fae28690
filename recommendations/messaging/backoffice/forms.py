"""Forms of templates and coupon pools."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminFileFieldWidget

from recommendations.messaging.channels import Channel
from recommendations.messaging.coupons.pools import MAX_GENERATED
from recommendations.messaging.models import CouponPool, MessageTemplate
from recommendations.messaging.starters.texts import STARTERS

MAX_FILE = 10 * 1024 * 1024


def make_unique_key(name: str, model: type[MessageTemplate] | type[CouponPool]) -> str:
    """Return a key that no row of the model has, made from a name."""
    base = slugify(name)[:80] or model._meta.model_name or "key"
    taken = set(model._default_manager.filter(key__startswith=base).values_list("key", flat=True))
    number, key = 1, base
    while key in taken:
        number += 1
        key = f"{base}-{number}"
    return key


class TemplateForm(forms.ModelForm):
    """Name and description of a template."""

    class Meta:
        model = MessageTemplate
        fields = ["name", "description", "is_transactional"]
        widgets = {"description": forms.Textarea(attrs={"rows": 2})}


class NewTemplateForm(TemplateForm):
    """A new template: empty, or a copy of a ready-made one."""

    channel = forms.ChoiceField(label=gettext_lazy("Channel"), choices=Channel, initial=Channel.EMAIL)
    start = forms.ChoiceField(label=gettext_lazy("Start with"), required=False)

    class Meta(TemplateForm.Meta):
        fields = ["name", "channel", "start", "description", "is_transactional"]

    def __init__(self, *args: Any, language: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        start: Any = self.fields["start"]
        start.choices = [("", _("An empty message")), *((starter.key, starter.names[language]) for starter in STARTERS)]
        start.help_text = _("Ready-made emails in English and Chinese, in the colors of your shop.")


class PoolForm(forms.ModelForm):
    """A coupon pool."""

    class Meta:
        model = CouponPool
        fields = ["name", "key", "expires_at", "per_customer", "low_stock"]
        # as in the list and the messages: Chinese has another word for the expiry of a coupon than for that of a token
        labels = {"expires_at": gettext_lazy("Expires")}
        error_messages = {
            "key": {"invalid": gettext_lazy("Use only letters from A to Z, digits, hyphens and underscores.")}
        }
        widgets = {"expires_at": forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")}

    def clean_expires_at(self) -> datetime | None:
        """Refuse a new pool that has expired already; an existing pool may be ended with a date in the past."""
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if self.instance.pk is None and expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError(_("The expiry date is in the past. Choose a later one."))
        return expires_at


class ImportCodesForm(forms.Form):
    """A CSV file of codes."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        help_text=gettext_lazy("One code on each line, or a column “code”."),
        widget=UnfoldAdminFileFieldWidget(),  # a script of django-unfold writes the name of the chosen file into its text field
    )

    def clean_file(self) -> str:
        file = self.cleaned_data["file"]
        if file.size > MAX_FILE:
            raise forms.ValidationError(_("The file is larger than 10 MB. Split it into smaller files."))
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise forms.ValidationError(_("The file is not UTF-8 text. Save it as CSV UTF-8.")) from error


class GenerateCodesForm(forms.Form):
    """How many random codes to make."""

    count = forms.IntegerField(
        label=gettext_lazy("Number of codes"), min_value=1, max_value=MAX_GENERATED, initial=1000
    )
    code_prefix = forms.CharField(label=gettext_lazy("Prefix"), max_length=20, required=False)
