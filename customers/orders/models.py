"""Orders, their lines, imports and events."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from catalog.models import Product, currency_validator
from config.foundation.job_runs import FileImport
from customers.events.models import Source
from customers.identity.models import Customer
from customers.orders.querysets import OrderQuerySet


class Order(models.Model):
    """A sale, or a return with its own document (a credit note with negative quantities and totals)."""

    class Kind(models.TextChoices):
        SALE = "sale", _("sale")
        RETURN = "return", _("return")

    class Status(models.TextChoices):
        PLACED = "placed", _("placed")
        CANCELLED = "cancelled", _("canceled")
        REFUNDED = "refunded", _("refunded")
        PARTLY_REFUNDED = "partly_refunded", _("partly refunded")

    source = models.ForeignKey(Source, models.PROTECT, related_name="orders", verbose_name=_("source"), db_index=False)
    order_id = models.CharField(_("order ID"), max_length=100)
    customer = models.ForeignKey(
        Customer,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="orders",
        verbose_name=_("customer"),
        help_text=_("Empty for a guest."),
        db_index=False,
    )
    guest_email_hash = models.CharField(_("guest email hash"), max_length=64, blank=True, editable=False)
    kind = models.CharField(_("type"), max_length=10, choices=Kind, default=Kind.SALE)
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.PLACED)
    placed_at = models.DateTimeField(_("placed at"))
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_validator])
    subtotal = models.DecimalField(
        _("subtotal"), max_digits=14, decimal_places=2, default=0, help_text=_("Sum of the line totals.")
    )
    discount = models.DecimalField(
        _("discount"), max_digits=14, decimal_places=2, default=0, help_text=_("Already subtracted from the total.")
    )
    shipping = models.DecimalField(_("shipping"), max_digits=14, decimal_places=2, default=0)
    tax = models.DecimalField(_("tax"), max_digits=14, decimal_places=2, default=0)
    total = models.DecimalField(_("total"), max_digits=14, decimal_places=2, default=0)
    refunded = models.DecimalField(_("refunded"), max_digits=14, decimal_places=2, default=0)
    coupon = models.CharField(_("coupon"), max_length=100, blank=True)
    channel = models.CharField(_("channel"), max_length=100, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "order_id"], name="orders_order_unique_in_source"),
            models.CheckConstraint(condition=Q(kind="return") | Q(total__gte=0), name="orders_order_sale_not_negative"),
        ]
        indexes = [
            models.Index(fields=["customer", "placed_at"], name="orders_order_of_customer"),
            models.Index(fields=["placed_at"], name="orders_order_placed"),
            models.Index(fields=["source", "placed_at", "id"], name="orders_order_of_source"),
            # most orders are sales that are placed: without them, these indexes stay small
            models.Index(
                fields=["status", "placed_at", "id"], name="orders_order_changed", condition=~Q(status="placed")
            ),
            models.Index(fields=["placed_at", "id"], name="orders_order_returns", condition=Q(kind="return")),
            models.Index(fields=["created_at"], name="orders_order_coupons", condition=Q(kind="sale") & ~Q(coupon="")),
        ]

    def __str__(self) -> str:
        return self.order_id


class OrderLine(models.Model):
    """One product of an order; ``total`` = unit price × quantity − discount, rounded."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines", verbose_name=_("order"), db_index=False)
    line_number = models.PositiveIntegerField(_("line number"))
    product = models.ForeignKey(Product, models.PROTECT, related_name="order_lines", verbose_name=_("product"))
    quantity = models.DecimalField(_("quantity"), max_digits=12, decimal_places=3)
    unit_price = models.DecimalField(
        _("unit price"), max_digits=14, decimal_places=4, help_text=_("Before the discount on the line.")
    )
    discount = models.DecimalField(_("discount"), max_digits=14, decimal_places=2, default=0)
    total = models.DecimalField(_("total"), max_digits=14, decimal_places=2)

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ["order", "line_number"]
        constraints = [models.UniqueConstraint(fields=["order", "line_number"], name="orders_line_unique_in_order")]

    def __str__(self) -> str:
        return f"{self.order_id}/{self.line_number}"


class OrderImport(FileImport):
    """One import of an order file; every row is counted as loaded, unchanged or rejected."""

    source = models.ForeignKey(Source, models.PROTECT, verbose_name=_("source"))
    mapping = models.JSONField(_("mapping"), default=dict, help_text=_("Columns per field."))
    loaded = models.PositiveBigIntegerField(_("loaded lines"), default=0)
    unchanged = models.PositiveBigIntegerField(_("unchanged lines"), default=0)
    rejected = models.PositiveBigIntegerField(_("rejected lines"), default=0)
    counts = models.JSONField(
        _("counts"), default=dict, blank=True, help_text=_("Orders, lines, products and customers by type of change.")
    )

    class Meta(FileImport.Meta):
        verbose_name = _("order import")
        verbose_name_plural = _("order imports")


class OrderEvent(models.Model):
    """One event in the log of an order; the order is derived from all of them.

    The buyer is stored as the IDs of the event, not as a customer, so that after a merge the IDs still identify the right customer.
    """

    class Kind(models.TextChoices):
        IMPORTED = "imported", _("imported")
        COMPLETED = "completed", _("completed")
        UPDATED = "updated", _("updated")
        REFUNDED = "refunded", _("refunded")
        CANCELLED = "cancelled", _("canceled")

    source = models.ForeignKey(Source, models.PROTECT, verbose_name=_("source"), db_index=False)
    message_id = models.CharField(_("message ID"), max_length=120)
    order_id = models.CharField(_("order ID"), max_length=100)
    kind = models.CharField(_("type"), max_length=10, choices=Kind)
    occurred_at = models.DateTimeField(_("occurred at"))
    user_id = models.CharField(_("user ID"), max_length=255, blank=True)
    anonymous_id = models.CharField(_("anonymous ID"), max_length=255, blank=True)
    guest_email_hash = models.CharField(_("guest email hash"), max_length=64, blank=True, editable=False)
    content = models.JSONField(_("content"), default=dict, blank=True)
    folded = models.BooleanField(_("applied to the order"), default=False)

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        ordering = ["occurred_at", "id"]
        constraints = [models.UniqueConstraint(fields=["source", "message_id"], name="orders_event_once")]
        indexes = [
            models.Index(fields=["source", "order_id"], name="orders_event_of_order"),
            # few events wait at a time, so finding them by this partial index costs the same however long the log is
            models.Index(fields=["source", "order_id"], name="orders_event_waiting", condition=Q(folded=False)),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.get_kind_display()}"


class OrderChange(models.Model):
    """A change of a known order by an import (a file, REST or a connector); those by events are in their own log.

    Attributes:
        id: from the sequence of order events, so that both logs can be read as one, in the order of their IDs.
        order_number: the number of the order. There is no foreign key, because imports rebuild the keys of orders.
    """

    class Kind(models.TextChoices):
        UPDATED = "updated", _("updated")
        REFUNDED = "refunded", _("refunded")
        CANCELLED = "cancelled", _("canceled")

    id = models.BigIntegerField(primary_key=True)
    order_number = models.BigIntegerField(_("order number"))
    kind = models.CharField(_("type"), max_length=10, choices=Kind)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("change of an order by an import")
        verbose_name_plural = _("changes of orders by imports")
        default_permissions = ()
        ordering = ["id"]
        indexes = [models.Index(fields=["changed_at"], name="orders_change_age")]

    def __str__(self) -> str:
        return f"#{self.order_number}: {self.get_kind_display()}"
