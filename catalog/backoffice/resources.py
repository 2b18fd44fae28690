"""Import and export of products in the back office with django-import-export."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from import_export import fields, resources, widgets
from import_export.instance_loaders import CachedInstanceLoader
from tablib import Dataset

from catalog.categories import clean_path, ensure_categories
from catalog.field_cleaning import InvalidValueError, clean_attributes, clean_tags
from catalog.models import Category, Product
from catalog.rest.serializers import PRODUCT_FIELDS
from catalog.upsert import build_duplicate_problem, clean_product
from config.foundation.shop.profile import get_shop


class CategoryWidget(widgets.Widget):
    """A category as its path.

    All paths of a file are looked up in one query before its rows are read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ids: dict[str, int] = {}

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Category | None:
        path = clean_cell(clean_path, value)
        return Category(pk=self.ids[path], path=path) if path else None

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return value.path if value else ""


class TagsWidget(widgets.Widget):
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> list[str]:
        return clean_cell(clean_tags, value)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "|".join(value or [])


class AttributesWidget(widgets.JSONWidget):
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> dict[str, Any]:
        return clean_cell(clean_attributes, value)


def clean_cell(cleaner: Any, value: Any) -> Any:
    try:
        return cleaner(value)
    except InvalidValueError as error:
        raise ValueError(error.message) from error


class ProductResource(resources.ModelResource):
    """One product per row, identified by ``product_id``; written in bulk."""

    category = fields.Field(attribute="category", column_name="category", widget=CategoryWidget())
    tags = fields.Field(attribute="tags", column_name="tags", widget=TagsWidget(), default=list)
    attributes = fields.Field(attribute="attributes", column_name="attributes", widget=AttributesWidget(), default=dict)

    class Meta:
        model = Product
        fields = PRODUCT_FIELDS
        export_order = PRODUCT_FIELDS
        import_id_fields = ("product_id",)
        instance_loader_class = CachedInstanceLoader
        use_bulk = True
        batch_size = 1000
        skip_unchanged = True
        report_skipped = False
        use_transactions = True

    def before_import(self, dataset: Dataset, **kwargs: Any) -> None:
        paths = set()
        for value in dataset["category"] if "category" in (dataset.headers or []) else []:
            try:
                paths.add(clean_path(value))
            except InvalidValueError:
                continue  # reported with its row
        self.fields["category"].widget.ids = ensure_categories(paths - {""})

        self.seen_ids: set[str] = set()

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        product_id = str(row.get("product_id") or "").strip()
        if product_id in self.seen_ids:
            raise ValidationError({"product_id": build_duplicate_problem(product_id).message})
        self.seen_ids.add(product_id)

    def validate_instance(
        self, instance: Product, import_validation_errors: dict[str, Any] | None = None, validate_unique: bool = True
    ) -> None:
        """Validate with the rules of feeds and REST.

        The model's own validation would query the database for each row.
        """
        errors = dict(import_validation_errors or {})
        item = {name: getattr(instance, name) for name in PRODUCT_FIELDS if name not in errors and name != "category"}
        cleaned, problems = clean_product(item, currency=get_shop().currency)
        for problem in problems:
            errors.setdefault(problem.field, ValidationError(problem.message, code=problem.code))
        if errors:
            raise ValidationError(errors)
        for name, value in cleaned.items():
            setattr(instance, name, value)

    def before_save_instance(self, instance: Product, row: Any, **kwargs: Any) -> None:
        # a bulk update does not set auto_now fields
        instance.updated_at = timezone.now()
        instance.is_draft = False

    def get_bulk_update_fields(self) -> list[str]:
        return [*super().get_bulk_update_fields(), "updated_at", "is_draft"]

    def get_queryset(self) -> Any:
        return super().get_queryset().select_related("category")

    def filter_export(self, queryset: Any, **kwargs: Any) -> Any:
        return queryset.select_related("category")
