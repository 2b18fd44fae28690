"""The form fields and widgets of the product picker; without its script they are a text area and a text field for IDs."""

from typing import Any

from django import forms
from django.urls import reverse

from catalog.product_picker.queries import MAX_ROWS, describe_products, parse_product_ids


class PickerMedia:
    """The style and the script of the picker."""

    css = {"all": ["catalog/product-picker.css"]}
    js = ["catalog/product-picker.js"]


def add_picker_context(context: dict[str, Any], *, product_ids: list[str], is_multiple: bool) -> dict[str, Any]:
    """Add what the template of the picker needs to the context of a widget."""
    context["widget"]["picker"] = {
        "url": reverse("admin:catalog_product_picker"),
        "is_multiple": is_multiple,
        "products": describe_products(product_ids[:MAX_ROWS]) if product_ids else [],
        "max_rows": MAX_ROWS,
    }
    return context


class ProductPicker(forms.Textarea):
    """Chooses products and their order; the text area has one ID per line."""

    template_name = "catalog/product_picker.html"
    Media = PickerMedia

    def format_value(self, value: Any) -> str | None:
        return "\n".join(value) if isinstance(value, list | tuple) else super().format_value(value)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        ids = parse_product_ids(self.format_value(value) or "")
        context = super().get_context(name, value, {"rows": 4, **(attrs or {})})
        return add_picker_context(context, product_ids=ids, is_multiple=True)


class SingleProductPicker(forms.TextInput):
    """Chooses one product; the text field has its ID."""

    template_name = "catalog/product_picker.html"
    Media = PickerMedia

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        text = (self.format_value(value) or "").strip()
        context = super().get_context(name, value, attrs)
        return add_picker_context(context, product_ids=[text] if text else [], is_multiple=False)


class ProductIdsField(forms.CharField):
    """A list of product IDs in the chosen order, without repetitions; unknown IDs are accepted."""

    widget = ProductPicker

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return parse_product_ids(str(value or ""))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != self.to_python(data)
