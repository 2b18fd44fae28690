"""Categories, products and feed imports in the back office."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Field, QuerySet, URLField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from import_export.admin import ExportMixin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, FieldTextFilter, RangeNumericFilter
from unfold.contrib.import_export.forms import ExportForm
from unfold.decorators import action, display

from catalog.backoffice import pages
from catalog.backoffice.forms import CategoryForm, ProductForm
from catalog.backoffice.resources import ProductResource
from catalog.categories import annotate_product_counts, delete_categories, save_category
from catalog.models import Category, FeedImport, Product
from catalog.product_picker.fields import SingleProductPicker
from catalog.product_picker.views import show_picker
from config.foundation.admin.file_imports import FileImportAdmin, redirect_to_wizard, render_download_link, render_table
from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.admin.table_formats import TABLE_FORMATS
from config.foundation.number_formats import NO_VALUE, format_money


@admin.register(Category)
class CategoryAdmin(ModelAdmin):
    form = CategoryForm
    list_display = ("path", "name", "slug", "product_count")
    search_fields = ("path",)
    ordering = ("path",)
    fields = ("name", "slug", "parent", "path")
    readonly_fields = ("path",)
    autocomplete_fields = ("parent",)
    prepopulated_fields = {"slug": ("name",)}
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        return annotate_product_counts(super().get_queryset(request).select_related("parent"))

    @display(description=_("active products"))
    def product_count(self, category: Category) -> int:
        return category.product_count  # type: ignore[attr-defined]

    def save_model(self, request: HttpRequest, obj: Category, form: Any, change: bool) -> None:
        save_category(category=obj)

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        delete_categories(Category.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Category]) -> None:
        delete_categories(queryset)


@admin.register(Product)
class ProductAdmin(ExportMixin, ModelAdmin):
    form = ProductForm
    resource_classes = (ProductResource,)
    formats = TABLE_FORMATS
    export_form_class = ExportForm
    list_display = (
        "product_id",
        "title",
        "category",
        "brand",
        "formatted_price",
        "availability",
        "stock",
        "is_active",
        "is_draft",
    )
    list_display_links = ("product_id", "title")
    list_select_related = ("category",)
    list_filter = (
        "is_active",
        "is_draft",
        "availability",
        ("category", AutocompleteSelectFilter),
        ("brand", FieldTextFilter),
        ("parent_id", FieldTextFilter),
        ("price", RangeNumericFilter),
    )
    list_filter_submit = True
    search_fields = ("product_id", "sku", "title", "brand")
    search_help_text = _("Search by product ID, SKU, title or brand.")
    autocomplete_fields = ("category",)
    readonly_fields = (
        "is_draft",
        "created_at",
        "updated_at",
        "similar_products",
        "interested_customers",
        "vector_table",
    )
    show_full_result_count = False
    list_per_page = 50
    actions = ("activate", "deactivate")
    actions_list = ("open_import",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "product_id",
                    "parent_id",
                    "sku",
                    "title",
                    "description",
                    "category",
                    "brand",
                    "tags",
                    "attributes",
                )
            },
        ),
        (
            _("Price and stock"),
            {"fields": ("price", "currency", "cost", "availability", "stock", "is_active", "is_draft", "published_at")},
        ),
        (_("Links"), {"fields": ("url", "image_url", "similar_products", "interested_customers")}),
        (_("Vectors"), {"fields": ("vector_table",)}),
        (_("History"), {"fields": ("created_at", "updated_at")}),
    )

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, URLField):
            kwargs["assume_scheme"] = "https"
        if db_field.name in ("price", "cost"):
            kwargs["min_value"] = 0  # as the constraints of the model, whose errors name no field
        if db_field.name == "parent_id":
            kwargs["widget"] = SingleProductPicker
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        wrap: Callable[..., Any] = self.admin_site.admin_view
        return [
            path("picker/", wrap(show_picker), name="catalog_product_picker"),
            *redirect_to_wizard("products", "import/", "process_import/"),
            *super().get_urls(),
        ]

    def has_import_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(pages.IMPORT_PERMISSIONS)

    @action(description=_("Import products"), url_path="open-import", permissions=["import"], icon="upload")
    def open_import(self, request: HttpRequest) -> HttpResponse:
        return redirect("imports:new", "products")

    @display(description=_("price"), ordering="price")
    def formatted_price(self, product: Product) -> str:
        return format_money(product.price, product.currency)

    @display(description=_("similar products"))
    def similar_products(self, product: Product) -> str | SafeString:
        """Link to the page that the serving app adds; the catalog works without it."""
        try:
            address = reverse("admin:serving_similar", args=[product.product_id])
        except NoReverseMatch:
            return NO_VALUE
        return format_html('<a class="text-primary-600" href="{}">{}</a>', address, _("Show similar products"))

    @display(description=_("interested customers"))
    def interested_customers(self, product: Product) -> str | SafeString:
        """Link to another page of the serving app."""
        try:
            address = reverse("admin:serving_audience", args=[product.product_id])
        except NoReverseMatch:
            return NO_VALUE
        return format_html('<a class="text-primary-600" href="{}">{}</a>', address, _("Show interested customers"))

    @display(description=_("vectors"))
    def vector_table(self, product: Product) -> str | SafeString:
        """List the product's vectors; their numbers would mean nothing to a reader."""
        rows = [
            (name, dimension, date_format(timezone.localtime(updated_at), "DATETIME_FORMAT"))
            for name, dimension, updated_at in product.vectors.values_list("name", "dimension", "updated_at")
        ]
        if not rows:
            return NO_VALUE
        head = format_html("<tr><th>{}</th><th>{}</th><th>{}</th></tr>", _("name"), _("dimension"), _("updated at"))
        cells = '<tr><td class="pr-6">{}</td><td class="pr-6 text-right">{}</td><td>{}</td></tr>'
        return format_html("<table><thead>{}</thead><tbody>{}</tbody></table>", head, format_html_join("", cells, rows))

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        obj.is_draft = obj.is_draft and not obj.is_active
        super().save_model(request, obj, form, change)

    @admin.action(description=_("Activate the selected products"), permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        self.set_active(request, queryset, active=True)

    @admin.action(description=_("Deactivate the selected products"), permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        self.set_active(request, queryset, active=False)

    def set_active(self, request: HttpRequest, queryset: QuerySet[Product], *, active: bool) -> None:
        # an active product is no draft any more, and an inactive one stays what it is
        changes: dict[str, Any] = {"is_draft": False} if active else {}
        changed = queryset.filter(is_active=not active).update(is_active=active, updated_at=timezone.now(), **changes)
        text = ngettext("%(count)d product was changed.", "%(count)d products were changed.", changed)
        messages.success(request, text % {"count": changed})


@admin.register(FeedImport)
class FeedImportAdmin(FileImportAdmin):
    import_permissions = pages.IMPORT_PERMISSIONS
    import_kind = "products"
    list_display = (
        "file_name",
        "format",
        "started_at",
        "dry_run",
        "state",
        "rows",
        "created",
        "updated",
        "unchanged",
        "rejected",
    )
    list_filter = ("dry_run", "format")
    fields = (
        "file_name",
        "format",
        "dry_run",
        "started_at",
        "finished_at",
        "rows",
        "created",
        "updated",
        "unchanged",
        "rejected",
        "deactivated",
        "inactive",
        "error",
        "problem_table",
        "error_download",
    )
    readonly_fields = fields

    def get_urls(self) -> list[URLPattern]:
        wrap: Callable[..., Any] = self.admin_site.admin_view
        return [
            path("<int:record_id>/errors/", wrap(pages.download_errors), name="catalog_feedimport_errors"),
            *super().get_urls(),
        ]

    @display(description=_("problems"))
    def problem_table(self, record: FeedImport) -> str | SafeString:
        return render_table(sorted(record.problems.items(), key=lambda item: (-item[1], item[0])))

    @display(description=_("error file"))
    def error_download(self, record: FeedImport) -> str | SafeString:
        if not record.error_file:
            return NO_VALUE
        return render_download_link(reverse("admin:catalog_feedimport_errors", args=[record.pk]))
