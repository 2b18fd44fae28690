"""Products and categories of the shop, product vectors, and the records of feed imports."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Upper
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from catalog.querysets import ProductQuerySet
from config.foundation.job_runs import FileImport

currency_validator = RegexValidator(r"^[A-Z]{3}$", _("Use a three-letter ISO 4217 code in capitals, such as EUR."))


class Category(models.Model):
    """A node of the category tree; its ``path`` from the root is unique."""

    name = models.CharField(_("name"), max_length=200)
    slug = models.SlugField(_("slug"), max_length=200, allow_unicode=True)
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children", verbose_name=_("parent")
    )
    path = models.CharField(
        _("path"), max_length=1000, unique=True, help_text=_("The names from the root, separated by “ > ”.")
    )

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(
                fields=["parent", "slug"], name="catalog_category_slug_in_parent", nulls_distinct=False
            ),
            models.CheckConstraint(condition=~Q(parent=models.F("id")), name="catalog_category_not_its_parent"),
        ]

    def __str__(self) -> str:
        return self.path


class Availability(models.TextChoices):
    IN_STOCK = "in_stock", _("in stock")
    OUT_OF_STOCK = "out_of_stock", _("out of stock")
    PREORDER = "preorder", _("pre-order")
    BACKORDER = "backorder", _("back-order")


class Product(models.Model):
    """A product; other systems know it by ``product_id``."""

    product_id = models.CharField(_("product ID"), max_length=200, unique=True)
    parent_id = models.CharField(
        _("product group"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "The same ID for all variants of a product, such as sizes or colors; usually the ID of the parent product. A "
            "row of recommendations shows only one product per group."
        ),
    )
    sku = models.CharField(_("SKU"), max_length=200, blank=True)
    title = models.CharField(_("title"), max_length=500)
    description = models.TextField(_("description"), blank=True)
    category = models.ForeignKey(
        Category, models.SET_NULL, null=True, blank=True, related_name="products", verbose_name=_("category")
    )
    brand = models.CharField(_("brand"), max_length=200, blank=True, db_index=True)
    price = models.DecimalField(_("price"), max_digits=14, decimal_places=2, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True, validators=[currency_validator])
    cost = models.DecimalField(
        _("cost"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("Purchase cost, in the currency of the price. Never shown to visitors."),
    )
    availability = models.CharField(
        _("availability"), max_length=20, choices=Availability, default=Availability.IN_STOCK
    )
    stock = models.IntegerField(_("stock"), null=True, blank=True, help_text=_("Empty when stock is not tracked."))
    image_url = models.URLField(_("image URL"), max_length=2000, blank=True)
    url = models.URLField(_("URL"), max_length=2000, blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    tags = ArrayField(models.CharField(max_length=100), verbose_name=_("tags"), default=list, blank=True)
    published_at = models.DateTimeField(_("published at"), null=True, blank=True)
    is_active = models.BooleanField(
        pgettext_lazy("product", "active"),
        default=True,
        help_text=_("Inactive products are kept for the order history and are never shown."),
    )
    is_draft = models.BooleanField(
        _("draft"),
        default=False,
        db_default=False,
        editable=False,
        help_text=_("Created from event data and never shown. A feed or the API replaces it, or a user activates it."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True, db_index=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["id"]
        indexes = [
            # all four columns that the back office searches: one column without an index would cause a full scan
            GinIndex(
                *(OpClass(Upper(name), name="gin_trgm_ops") for name in ("product_id", "sku", "title", "brand")),
                name="catalog_product_search",
            ),
            models.Index(fields=["sku"], condition=~Q(sku=""), name="catalog_product_sku"),
            models.Index(fields=["product_id"], condition=Q(is_draft=True), name="catalog_product_drafts"),
            models.Index(fields=["parent_id"], condition=~Q(parent_id=""), name="catalog_product_parent"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(price__isnull=True) | Q(price__gte=0), name="catalog_product_price_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(cost__isnull=True) | Q(cost__gte=0), name="catalog_product_cost_not_negative"
            ),
            models.CheckConstraint(condition=~Q(product_id=""), name="catalog_product_id_not_empty"),
            models.CheckConstraint(
                condition=Q(availability__in=Availability.values), name="catalog_product_availability_known"
            ),
            models.CheckConstraint(
                condition=Q(price__isnull=True) | ~Q(currency=""), name="catalog_product_price_has_currency"
            ),
            models.CheckConstraint(
                condition=Q(is_draft=False) | Q(is_active=False), name="catalog_product_draft_is_inactive"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class ProductSource(models.Model):
    """The source whose file a product is from: of its last complete import that contained the product, or else of the first import.

    A complete import deactivates the missing products of its own source only. Products of a connected shop or of the REST API have none.
    """

    product = models.OneToOneField(Product, models.CASCADE, primary_key=True, related_name="import_source")
    source = models.CharField(max_length=100, db_index=True)
    feed_import = models.ForeignKey("FeedImport", models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("product source")
        verbose_name_plural = _("product sources")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.source}: {self.product_id}"


class ProductVector(models.Model):
    """A vector that a model computed for a product, such as an image embedding.

    Near vectors mean similar products.
    """

    product = models.ForeignKey(Product, models.CASCADE, related_name="vectors", verbose_name=_("product"))
    name = models.CharField(_("name"), max_length=50, help_text=_("What the vector represents, such as image."))
    dimension = models.PositiveIntegerField(_("dimension"))
    vector = models.BinaryField(_("vector"), help_text=_("Little-endian 32-bit floating-point numbers."))
    updated_at = models.DateTimeField(_("updated at"))

    class Meta:
        verbose_name = _("product vector")
        verbose_name_plural = _("product vectors")
        ordering = ["product_id", "name"]
        indexes = [models.Index(fields=["name", "dimension"], name="catalog_vector_dimensions")]
        constraints = [
            models.UniqueConstraint(fields=["product", "name"], name="catalog_one_vector_a_name"),
            models.CheckConstraint(
                condition=Q(Exact(Length("vector"), models.F("dimension") * 4), dimension__gt=0),
                name="catalog_vector_holds_dimension",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.dimension})"


class FeedImport(FileImport):
    """One import of a product feed: its rows, changes and rejected rows."""

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        JSONL = "jsonl", "JSON Lines"
        GOOGLE_XML = "google_xml", "Google Merchant XML"
        GOOGLE_TSV = "google_tsv", "Google Merchant TSV"

    format = models.CharField(_("format"), max_length=20, choices=Format)
    created = models.PositiveBigIntegerField(_("created"), default=0)
    updated = models.PositiveBigIntegerField(_("updated"), default=0)
    unchanged = models.PositiveBigIntegerField(_("unchanged"), default=0)
    rejected = models.PositiveBigIntegerField(_("rejected"), default=0)
    deactivated = models.PositiveBigIntegerField(
        _("deactivated"), default=0, help_text=_("Products missing from the feed, if the import deactivates them.")
    )
    inactive = models.PositiveBigIntegerField(
        _("inactive"),
        default=0,
        db_default=0,
        help_text=_("Products of the feed that are inactive and stay hidden."),
    )
    # the next start or end of a sale in the feed: from then on, the same file has other prices
    prices_change_at = models.DateTimeField(null=True, editable=False)

    class Meta(FileImport.Meta):
        verbose_name = _("feed import")
        verbose_name_plural = _("feed imports")
