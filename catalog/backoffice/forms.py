"""Forms of the catalog in the back office."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from catalog.categories import build_category_path
from catalog.models import Category, Product
from config.foundation.shop.profile import get_shop


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


class ProductForm(forms.ModelForm):
    """A product; a price without a currency is in the shop's, as in feeds and over REST."""

    class Meta:
        model = Product
        fields = ("price", "currency", "cost")  # the admin adds the others

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("price") is not None and not data.get("currency") and "currency" not in self.errors:
            data["currency"] = get_shop().currency
        return data
