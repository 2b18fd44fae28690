"""Forms of the catalog in the back office."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from catalog.categories import build_category_path
from catalog.feeds.product_import import FeedOptions, MissingProducts
from catalog.field_cleaning import get_known_currencies
from catalog.models import Category, FeedImport


class FeedUploadForm(forms.Form):
    """A feed to upload, with the options of its import."""

    file = forms.FileField(
        label=_("file"),
        widget=UnfoldAdminFileFieldWidget,
        help_text=_("CSV, TSV, JSON Lines, or a Google Merchant feed in XML or TSV."),
    )
    format = forms.ChoiceField(
        label=_("format"),
        required=False,
        choices=[("", _("Detect automatically")), *FeedImport.Format.choices],
        widget=UnfoldAdminSelectWidget,
    )
    encoding = forms.ChoiceField(
        label=_("encoding"),
        required=False,
        choices=[
            ("", _("Detect automatically")),
            ("utf-8", "UTF-8"),
            ("utf-16", "UTF-16"),
            ("gb18030", "GB18030 / GBK"),
            ("windows-1252", "Windows-1252"),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    currency = forms.CharField(
        label=_("currency"),
        max_length=3,
        initial=lambda: settings.SHOP_CURRENCY,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("For prices without a currency."),
    )
    missing = forms.ChoiceField(
        label=_("products missing from the file"),
        choices=[
            (MissingProducts.KEEP.value, _("keep unchanged")),
            (MissingProducts.DEACTIVATE.value, _("deactivate")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    force = forms.BooleanField(
        label=_("deactivate even if more than half of the products are missing"),
        required=False,
        widget=UnfoldBooleanWidget,
    )

    def clean_currency(self) -> str:
        code = self.cleaned_data["currency"].upper()
        if code not in get_known_currencies():
            raise forms.ValidationError(_("Use a three-letter ISO 4217 code in capitals, such as EUR."))
        return code

    def options(self) -> FeedOptions:
        data = self.cleaned_data
        return FeedOptions(
            currency=data["currency"],
            format=data["format"] or None,
            encoding=data["encoding"] or None,
            missing=MissingProducts(data["missing"]),
            force=data["force"],
        )


class CategoryForm(forms.ModelForm):
    """A category, whose path must be unique and whose parent must not be below it."""

    class Meta:
        model = Category
        fields = ("name", "slug", "parent")

    def clean_name(self) -> str:
        name = self.cleaned_data["name"].strip()
        if ">" in name:
            raise forms.ValidationError(_("A name cannot contain “>”, which separates the names of a path."))
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        parent, name = data.get("parent"), data.get("name")
        if self.instance.pk and parent and f"{parent.path} > ".startswith(f"{self.instance.path} > "):
            self.add_error("parent", _("A category cannot be its own ancestor; choose another parent."))
        elif name:
            path = build_category_path(name=name, parent=parent)
            if len(path) > 1000:
                self.add_error("name", _("The path would exceed 1000 characters; use a shorter name."))
            elif Category.objects.filter(path=path).exclude(pk=self.instance.pk).exists():
                self.add_error("name", _("A category with this path already exists."))
        return data
