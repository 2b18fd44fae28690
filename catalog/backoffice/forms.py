"""Forms of the catalog in the back office."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanWidget

from catalog.categories import build_category_path
from catalog.feeds.product_import import FeedOptions, MissingProducts
from catalog.models import Category, FeedImport
from config.foundation.admin.upload_forms import UploadForm


class FeedUploadForm(UploadForm):
    """A feed to upload, with the options of its import."""

    file_help_text = _("CSV, TSV, JSON Lines, or a Google Merchant feed in XML or TSV.")
    currency_help_text = _("Currency of prices without one.")
    field_order = ("file", "format", "encoding", "currency", "missing", "force")

    format = forms.ChoiceField(
        label=_("format"),
        required=False,
        choices=[("", _("Detect automatically")), *FeedImport.Format.choices],
        widget=UnfoldAdminSelectWidget,
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

    def build_options(self) -> FeedOptions:
        data = self.cleaned_data
        return FeedOptions(
            currency=data["currency"],
            format=data["format"] or None,
            encoding=data["encoding"] or None,
            missing=MissingProducts(data["missing"]),
            force=data["force"],
        )


class CategoryForm(forms.ModelForm):
    """A category with a unique path, which cannot be moved below itself."""

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
