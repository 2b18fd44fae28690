import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.text
import django.db.models.lookups
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        TrigramExtension(),
        migrations.CreateModel(
            name="FeedImport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished at")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                ("file_name", models.CharField(max_length=500, verbose_name="file name")),
                ("dry_run", models.BooleanField(default=False, verbose_name="dry run")),
                ("rows", models.PositiveBigIntegerField(default=0, verbose_name="rows")),
                (
                    "problems",
                    models.JSONField(
                        blank=True, default=dict, help_text="Number of rows per problem.", verbose_name="problems"
                    ),
                ),
                ("error_file", models.CharField(blank=True, max_length=1000, verbose_name="error file")),
                ("upload", models.CharField(blank=True, editable=False, max_length=1000, verbose_name="uploaded file")),
                ("options", models.JSONField(blank=True, default=dict, editable=False, verbose_name="options")),
                (
                    "format",
                    models.CharField(
                        choices=[
                            ("csv", "CSV"),
                            ("jsonl", "JSON Lines"),
                            ("google_xml", "Google Merchant XML"),
                            ("google_tsv", "Google Merchant TSV"),
                        ],
                        max_length=20,
                        verbose_name="format",
                    ),
                ),
                ("created", models.PositiveBigIntegerField(default=0, verbose_name="created")),
                ("updated", models.PositiveBigIntegerField(default=0, verbose_name="updated")),
                ("unchanged", models.PositiveBigIntegerField(default=0, verbose_name="unchanged")),
                ("rejected", models.PositiveBigIntegerField(default=0, verbose_name="rejected")),
                (
                    "deactivated",
                    models.PositiveBigIntegerField(
                        default=0,
                        help_text="Products missing from the feed, if the import deactivates them.",
                        verbose_name="deactivated",
                    ),
                ),
            ],
            options={
                "verbose_name": "feed import",
                "verbose_name_plural": "feed imports",
                "ordering": ["-started_at"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Category",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("slug", models.SlugField(allow_unicode=True, max_length=200, verbose_name="slug")),
                (
                    "path",
                    models.CharField(
                        help_text="The names from the root, separated by “ > ”.",
                        max_length=1000,
                        unique=True,
                        verbose_name="path",
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="catalog.category",
                        verbose_name="parent",
                    ),
                ),
            ],
            options={
                "verbose_name": "category",
                "verbose_name_plural": "categories",
                "ordering": ["path"],
            },
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("product_id", models.CharField(max_length=200, unique=True, verbose_name="product ID")),
                ("sku", models.CharField(blank=True, max_length=200, verbose_name="SKU")),
                ("title", models.CharField(max_length=500, verbose_name="title")),
                ("description", models.TextField(blank=True, verbose_name="description")),
                ("brand", models.CharField(blank=True, db_index=True, max_length=200, verbose_name="brand")),
                (
                    "price",
                    models.DecimalField(blank=True, decimal_places=2, max_digits=14, null=True, verbose_name="price"),
                ),
                (
                    "currency",
                    models.CharField(
                        blank=True,
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{3}$", "Use a three-letter ISO 4217 code in capitals, such as EUR."
                            )
                        ],
                        verbose_name="currency",
                    ),
                ),
                (
                    "cost",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="Purchase cost, in the currency of the price. Never shown to visitors.",
                        max_digits=14,
                        null=True,
                        verbose_name="cost",
                    ),
                ),
                (
                    "availability",
                    models.CharField(
                        choices=[
                            ("in_stock", "in stock"),
                            ("out_of_stock", "out of stock"),
                            ("preorder", "pre-order"),
                            ("backorder", "back-order"),
                        ],
                        default="in_stock",
                        max_length=20,
                        verbose_name="availability",
                    ),
                ),
                (
                    "stock",
                    models.IntegerField(
                        blank=True, help_text="Empty when stock is not tracked.", null=True, verbose_name="stock"
                    ),
                ),
                ("image_url", models.URLField(blank=True, max_length=2000, verbose_name="image URL")),
                ("url", models.URLField(blank=True, max_length=2000, verbose_name="URL")),
                ("attributes", models.JSONField(blank=True, default=dict, verbose_name="attributes")),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=100),
                        blank=True,
                        default=list,
                        size=None,
                        verbose_name="tags",
                    ),
                ),
                ("published_at", models.DateTimeField(blank=True, null=True, verbose_name="published at")),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Inactive products are kept for the order history and are never shown.",
                        verbose_name="active",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, db_index=True, verbose_name="updated at")),
                (
                    "category",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="products",
                        to="catalog.category",
                        verbose_name="category",
                    ),
                ),
            ],
            options={
                "verbose_name": "product",
                "verbose_name_plural": "products",
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="ProductVector",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        help_text="What the vector represents, such as image.", max_length=50, verbose_name="name"
                    ),
                ),
                ("dimension", models.PositiveIntegerField(verbose_name="dimension")),
                (
                    "vector",
                    models.BinaryField(help_text="Little-endian 32-bit floating-point numbers.", verbose_name="vector"),
                ),
                ("updated_at", models.DateTimeField(verbose_name="updated at")),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="vectors",
                        to="catalog.product",
                        verbose_name="product",
                    ),
                ),
            ],
            options={
                "verbose_name": "product vector",
                "verbose_name_plural": "product vectors",
                "ordering": ["product_id", "name"],
            },
        ),
        migrations.AddConstraint(
            model_name="category",
            constraint=models.UniqueConstraint(
                fields=("parent", "slug"), name="catalog_category_slug_in_parent", nulls_distinct=False
            ),
        ),
        migrations.AddConstraint(
            model_name="category",
            constraint=models.CheckConstraint(
                condition=models.Q(("parent", models.F("id")), _negated=True), name="catalog_category_not_its_parent"
            ),
        ),
        migrations.AddIndex(
            model_name="product",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("product_id"), name="gin_trgm_ops"
                ),
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("sku"), name="gin_trgm_ops"
                ),
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("title"), name="gin_trgm_ops"
                ),
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("brand"), name="gin_trgm_ops"
                ),
                name="catalog_product_search",
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.CheckConstraint(
                condition=models.Q(("price__isnull", True), ("price__gte", 0), _connector="OR"),
                name="catalog_product_price_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.CheckConstraint(
                condition=models.Q(("cost__isnull", True), ("cost__gte", 0), _connector="OR"),
                name="catalog_product_cost_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.CheckConstraint(
                condition=models.Q(("product_id", ""), _negated=True), name="catalog_product_id_not_empty"
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.CheckConstraint(
                condition=models.Q(("availability__in", ["in_stock", "out_of_stock", "preorder", "backorder"])),
                name="catalog_product_availability_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.CheckConstraint(
                condition=models.Q(("price__isnull", True), models.Q(("currency", ""), _negated=True), _connector="OR"),
                name="catalog_product_price_has_currency",
            ),
        ),
        migrations.AddIndex(
            model_name="productvector",
            index=models.Index(fields=["name", "dimension"], name="catalog_vector_dimensions"),
        ),
        migrations.AddConstraint(
            model_name="productvector",
            constraint=models.UniqueConstraint(fields=("product", "name"), name="catalog_one_vector_a_name"),
        ),
        migrations.AddConstraint(
            model_name="productvector",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.Exact(
                        django.db.models.functions.text.Length("vector"),
                        django.db.models.expressions.CombinedExpression(models.F("dimension"), "*", models.Value(4)),
                    ),
                    ("dimension__gt", 0),
                ),
                name="catalog_vector_holds_dimension",
            ),
        ),
    ]
