"""Admin pages of orders and order imports; both are read-only."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter, RangeNumericFilter
from unfold.decorators import display

from config.foundation.admin.file_imports import FileImportAdmin, render_download_link, render_table
from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.admin.paginators import CappedPaginator
from config.foundation.admin.read_only import ReadOnlyInline, ReadOnlyPermissions
from config.foundation.number_formats import NO_VALUE, format_money
from customers.identity.backoffice.audited_reads import AuditedReads
from customers.identity.models import Identifier
from customers.identity.personal_data.masking import is_personal_id, may_see_personal
from customers.orders.backoffice import missing_products_page, pages
from customers.orders.imports.count_labels import COUNT_LABELS
from customers.orders.models import Order, OrderImport, OrderLine
from customers.orders.order_rules import REASONS


class OrderLineInline(ReadOnlyInline):
    model = OrderLine
    fields = ("line_number", "product", "quantity", "unit_price", "discount", "total")
    readonly_fields = fields
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderLine]:
        return super().get_queryset(request).select_related("product")


@admin.register(Order)
class OrderAdmin(AuditedReads, ReadOnlyPermissions, ModelAdmin):
    paginator = CappedPaginator
    list_display = ("order_id", "source", "placed_at", "user_id", "kind", "status", "formatted_total", "channel")
    list_filter = (
        "kind",
        "status",
        "source",
        ("placed_at", RangeDateTimeFilter),
        ("total", RangeNumericFilter),
    )
    list_filter_submit = True
    search_fields = ("order_id",)
    search_help_text = _("Search by order ID or by the customer's user ID.")
    ordering = ("-placed_at", "-id")
    show_full_result_count = False
    list_per_page = 50
    inlines = (OrderLineInline,)
    fields = (
        "order_id",
        "source",
        "customer",
        "user_id",
        "placed_at",
        "kind",
        "status",
        "subtotal",
        "discount",
        "shipping",
        "tax",
        "total",
        "refunded",
        "currency",
        "coupon",
        "channel",
        "created_at",
    )
    readonly_fields = (*fields, "masked_user_id")

    def has_view_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        # change_order is not enough: it only permits importing orders
        return request.user.has_perm("orders.view_order")

    def get_list_display(self, request: HttpRequest) -> list[str]:
        return choose_masked_columns(self.list_display, request)

    def get_fields(self, request: HttpRequest, obj: Order | None = None) -> list[str]:
        return choose_masked_columns(self.fields, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return (
            super().get_queryset(request).select_related("source", "customer").prefetch_related("customer__identifiers")
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """Search by exact keys: a search inside texts would read millions of orders."""
        if not search_term:
            return queryset, False
        owner = Identifier.objects.filter(kind=Identifier.Kind.USER_ID, value=search_term).values("customer_id")
        return queryset.filter(order_id=search_term) | queryset.filter(customer_id__in=owner), False

    def get_urls(self) -> list[URLPattern]:
        page = partial(missing_products_page.show_missing_products, model_admin=self)
        return [
            path("missing-products/", self.admin_site.admin_view(page), name="orders_missing_products"),
            *super().get_urls(),
        ]

    @display(description=_("customer"))
    def user_id(self, order: Order) -> str:
        return name_buyer(order, with_personal=True)

    @display(description=_("customer"))
    def masked_user_id(self, order: Order) -> str:
        return name_buyer(order, with_personal=False)

    @display(description=_("total"), ordering="total")
    def formatted_total(self, order: Order) -> str:
        return format_money(order.total, order.currency)


def choose_masked_columns(names: Iterable[str], request: HttpRequest) -> list[str]:
    """Return the columns of a list or form with the masked user ID for readers who may not see personal data."""
    if may_see_personal(request):
        return list(names)
    return ["masked_user_id" if name == "user_id" else name for name in names]


def name_buyer(order: Order, *, with_personal: bool) -> str:
    """Return the user ID of the buyer, or the customer number if there is none that the reader may see."""
    if order.customer is None:
        return str(_("guest"))
    identifiers = order.customer.identifiers.all()
    ids = [identifier.value for identifier in identifiers if identifier.kind == Identifier.Kind.USER_ID]
    return min(
        (user_id for user_id in ids if with_personal or not is_personal_id(user_id)), default=str(order.customer)
    )


@admin.register(OrderImport)
class OrderImportAdmin(FileImportAdmin):
    import_permissions = pages.IMPORT_PERMISSIONS
    import_kind = "orders"
    list_display = (
        "file_name",
        "source",
        "started_at",
        "dry_run",
        "state",
        "rows",
        "loaded",
        "unchanged",
        "rejected",
    )
    list_select_related = ("source",)
    list_filter = ("dry_run", "source")
    fields = (
        "file_name",
        "source",
        "dry_run",
        "started_at",
        "finished_at",
        "rows",
        "loaded",
        "unchanged",
        "rejected",
        "error",
        "count_table",
        "problem_table",
        "error_download",
        "columns",
    )
    readonly_fields = fields

    def get_fields(self, request: HttpRequest, obj: OrderImport | None = None) -> list[str]:
        # rejected rows contain the addresses of buyers
        return [name for name in self.fields if name != "error_download" or may_see_personal(request)]

    def get_urls(self) -> list[URLPattern]:
        wrap: Callable[..., Any] = self.admin_site.admin_view
        return [
            path("<int:run_id>/errors/", wrap(pages.download_rejected), name="orders_orderimport_errors"),
            *super().get_urls(),
        ]

    @display(description=_("counts"))
    def count_table(self, run: OrderImport) -> str | SafeString:
        return render_table([(text, run.counts[name]) for name, text in COUNT_LABELS.items() if run.counts.get(name)])

    @display(description=_("problems"))
    def problem_table(self, run: OrderImport) -> str | SafeString:
        return render_table([(REASONS.get(code, code), count) for code, count in run.problems.items()])

    @display(description=_("columns"))
    def columns(self, run: OrderImport) -> str | SafeString:
        return render_table([(name, ", ".join(columns)) for name, columns in run.mapping.items()])

    @display(description=_("rejected rows"))
    def error_download(self, run: OrderImport) -> str | SafeString:
        if not run.error_file:
            return NO_VALUE
        return render_download_link(reverse("admin:orders_orderimport_errors", args=[run.pk]))
