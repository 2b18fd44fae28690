"""A product is new when customers see it for the first time, which can be later than its creation: at its publication or first activation.

New products and price drops also count for products that are sold without stock.
"""

from importlib import import_module

from django.db import migrations, models

FORMER = import_module("recommendations.flows.migrations.0002_capture_triggers").FUNCTIONS
FUNCTION = """
CREATE OR REPLACE FUNCTION flows_signal_product() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_shown boolean := NEW.is_active AND COALESCE(NEW.published_at <= now(), true);
    is_stocked boolean := NEW.availability = 'in_stock' AND COALESCE(NEW.stock, 1) > 0;
    -- preorders and backorders are sold without stock, see catalog/sold_out.py
    is_sold boolean := is_stocked OR NEW.availability NOT IN ('in_stock', 'out_of_stock');
    was_stocked boolean := TG_OP = 'UPDATE' AND OLD.is_active AND COALESCE(OLD.published_at <= now(), true)
        AND OLD.availability = 'in_stock' AND COALESCE(OLD.stock, 1) > 0;
    is_new boolean := TG_OP = 'INSERT' OR (OLD.is_draft AND NOT NEW.is_draft);
BEGIN
    IF NOT is_shown THEN
        -- an inactive product with a publication date in the past was shown before
        IF is_new AND COALESCE(NEW.published_at > now(), true) THEN
            INSERT INTO flows_upcomingproduct (product_id) VALUES (NEW.product_id) ON CONFLICT DO NOTHING;
        END IF;
        RETURN NULL;
    END IF;
    DELETE FROM flows_upcomingproduct WHERE product_id = NEW.product_id;
    is_new := is_new OR FOUND;
    IF NOT is_sold OR NOT EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'catalog') THEN RETURN NULL; END IF;
    IF is_new THEN
        INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
        VALUES ('catalog', 'new_product', NULL, NEW.product_id, 'new:' || NEW.id, now(), '{}');
        RETURN NULL;
    END IF;
    IF is_stocked AND NOT was_stocked THEN
        INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
        VALUES ('catalog', 'back_in_stock', NULL, NEW.product_id,
                'stock:' || NEW.id || ':' || extract(epoch FROM now()), now(), '{}');
    END IF;
    IF NEW.price < OLD.price AND NEW.currency = OLD.currency THEN
        INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
        VALUES ('catalog', 'price_drop', NULL, NEW.product_id, 'price:' || NEW.id || ':' || extract(epoch FROM now()), now(),
                jsonb_build_object('old_price', OLD.price, 'percent', round(100 * (OLD.price - NEW.price) / OLD.price, 2)));
    END IF;
    RETURN NULL;
END $$;
"""
DROP_TRIGGERS = """
DROP TRIGGER flows_new_product ON catalog_product;
DROP TRIGGER flows_changed_product ON catalog_product;
"""
TRIGGERS = """
CREATE TRIGGER flows_new_product AFTER INSERT ON catalog_product
    FOR EACH ROW WHEN (NOT NEW.is_draft) EXECUTE FUNCTION flows_signal_product();
CREATE TRIGGER flows_changed_product AFTER UPDATE ON catalog_product
    FOR EACH ROW WHEN (
        (OLD.is_draft AND NOT NEW.is_draft)
        OR (NEW.is_active AND (OLD.price IS DISTINCT FROM NEW.price OR OLD.availability IS DISTINCT FROM NEW.availability
            OR OLD.stock IS DISTINCT FROM NEW.stock OR OLD.is_active IS DISTINCT FROM NEW.is_active
            OR OLD.published_at IS DISTINCT FROM NEW.published_at))
    ) EXECUTE FUNCTION flows_signal_product();
"""
FORMER_TRIGGERS = """
CREATE TRIGGER flows_new_product AFTER INSERT ON catalog_product
    FOR EACH ROW WHEN (NEW.is_active) EXECUTE FUNCTION flows_signal_product();
CREATE TRIGGER flows_changed_product AFTER UPDATE ON catalog_product
    FOR EACH ROW WHEN (
        NEW.is_active AND (OLD.price IS DISTINCT FROM NEW.price OR OLD.availability IS DISTINCT FROM NEW.availability
        OR OLD.stock IS DISTINCT FROM NEW.stock OR OLD.is_active IS DISTINCT FROM NEW.is_active)
    ) EXECUTE FUNCTION flows_signal_product();
"""
# whether an inactive product was active before is not known
FILL = """
INSERT INTO flows_upcomingproduct (product_id) SELECT product_id FROM catalog_product WHERE NOT is_draft AND published_at > now();
"""


def get_former_function() -> str:
    start = FORMER.index("CREATE FUNCTION flows_signal_product")
    return FORMER[start:].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


class Migration(migrations.Migration):
    dependencies = [("flows", "0006_canceled_orders"), ("catalog", "0003_product_groups")]

    operations = [
        migrations.CreateModel(
            name="UpcomingProduct",
            fields=[
                (
                    "product_id",
                    models.CharField(max_length=200, primary_key=True, serialize=False, verbose_name="product ID"),
                ),
            ],
            options={
                "verbose_name": "upcoming product",
                "verbose_name_plural": "upcoming products",
                "default_permissions": (),
            },
        ),
        migrations.RunSQL(
            FUNCTION + DROP_TRIGGERS + TRIGGERS + FILL, DROP_TRIGGERS + get_former_function() + FORMER_TRIGGERS
        ),
    ]
