"""Triggers that write what flows wait for, in the transaction of whoever changes the table; without a listener they write nothing."""

from django.db import migrations

# Old orders of an import start nothing, and a stage that is derived again starts nothing twice.
FUNCTIONS = """
CREATE FUNCTION flows_signal_stages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'stage') THEN RETURN NULL; END IF;
    INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
    SELECT 'stage', c.to_stage, c.customer_id, '', 'stage:' || c.to_stage || ':' || extract(epoch FROM c.at), c.at,
           jsonb_build_object('from', c.from_stage, 'to', c.to_stage, 'reason', c.reason)
    FROM changed c
    WHERE c.at > now() - interval '2 days' AND c.reason <> 'rules'
      AND c.to_stage IN (SELECT name FROM flows_flowlistener WHERE kind = 'stage')
    ORDER BY c.at, c.customer_id;
    RETURN NULL;
END $$;

CREATE FUNCTION flows_signal_segment_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'segment') THEN RETURN NULL; END IF;
    INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
    SELECT 'segment', s.key, c.customer_id, '', 'segment:' || c.id || ':entered', c.entered_at,
           jsonb_build_object('segment', s.key, 'direction', 'entered')
    FROM changed c JOIN segments_segment s ON s.id = c.segment_id
    WHERE c.is_entry_observed AND c.left_at IS NULL
      AND s.key IN (SELECT name FROM flows_flowlistener WHERE kind = 'segment')
    ORDER BY c.id;
    RETURN NULL;
END $$;

CREATE FUNCTION flows_signal_segment_exits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'segment') THEN RETURN NULL; END IF;
    INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
    SELECT 'segment', s.key, c.customer_id, '', 'segment:' || c.id || ':left', c.left_at,
           jsonb_build_object('segment', s.key, 'direction', 'left')
    FROM changed c JOIN before b ON b.id = c.id JOIN segments_segment s ON s.id = c.segment_id
    WHERE c.is_exit_observed AND c.left_at IS NOT NULL AND b.left_at IS NULL
      AND s.key IN (SELECT name FROM flows_flowlistener WHERE kind = 'segment')
    ORDER BY c.id;
    RETURN NULL;
END $$;

CREATE FUNCTION flows_signal_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'event' AND name = 'order_placed') THEN RETURN NULL; END IF;
    INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
    SELECT 'event', 'order_placed', c.customer_id, '', 'order:' || c.id, c.placed_at,
           jsonb_build_object('order_id', c.order_id, 'total', c.total, 'currency', c.currency, 'coupon', c.coupon)
    FROM changed c
    WHERE c.customer_id IS NOT NULL AND c.kind = 'sale' AND c.placed_at > now() - interval '2 days'
    ORDER BY c.placed_at, c.id;
    RETURN NULL;
END $$;

CREATE FUNCTION flows_signal_product() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_sold boolean := NEW.is_active AND NEW.availability = 'in_stock' AND COALESCE(NEW.stock, 1) > 0;
    was_sold boolean := TG_OP = 'UPDATE' AND OLD.is_active AND OLD.availability = 'in_stock' AND COALESCE(OLD.stock, 1) > 0;
BEGIN
    IF NOT is_sold OR NOT EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'catalog') THEN RETURN NULL; END IF;
    IF TG_OP = 'INSERT' OR (OLD.is_draft AND NOT NEW.is_draft) THEN
        INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
        VALUES ('catalog', 'new_product', NULL, NEW.product_id, 'new:' || NEW.id, now(), '{}');
    ELSIF NOT was_sold THEN
        INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
        VALUES ('catalog', 'back_in_stock', NULL, NEW.product_id,
                'stock:' || NEW.id || ':' || extract(epoch FROM now()), now(), '{}');
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.price < OLD.price AND NEW.currency = OLD.currency THEN
        INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
        VALUES ('catalog', 'price_drop', NULL, NEW.product_id, 'price:' || NEW.id || ':' || extract(epoch FROM now()), now(),
                jsonb_build_object('old_price', OLD.price, 'percent', round(100 * (OLD.price - NEW.price) / OLD.price, 2)));
    END IF;
    RETURN NULL;
END $$;
"""
TRIGGERS = """
CREATE TRIGGER flows_stages AFTER INSERT ON lifecycle_stagetransition REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION flows_signal_stages();
CREATE TRIGGER flows_segment_entries AFTER INSERT ON segments_segmentstay REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION flows_signal_segment_entries();
CREATE TRIGGER flows_segment_exits AFTER UPDATE ON segments_segmentstay REFERENCING NEW TABLE AS changed OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION flows_signal_segment_exits();
CREATE TRIGGER flows_orders AFTER INSERT ON orders_order REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION flows_signal_orders();
CREATE TRIGGER flows_new_product AFTER INSERT ON catalog_product
    FOR EACH ROW WHEN (NEW.is_active) EXECUTE FUNCTION flows_signal_product();
CREATE TRIGGER flows_changed_product AFTER UPDATE ON catalog_product
    FOR EACH ROW WHEN (
        NEW.is_active AND (OLD.price IS DISTINCT FROM NEW.price OR OLD.availability IS DISTINCT FROM NEW.availability
        OR OLD.stock IS DISTINCT FROM NEW.stock OR OLD.is_active IS DISTINCT FROM NEW.is_active)
    ) EXECUTE FUNCTION flows_signal_product();
"""
DROP = """
DROP TRIGGER flows_stages ON lifecycle_stagetransition;
DROP TRIGGER flows_segment_entries ON segments_segmentstay;
DROP TRIGGER flows_segment_exits ON segments_segmentstay;
DROP TRIGGER flows_orders ON orders_order;
DROP TRIGGER flows_new_product ON catalog_product;
DROP TRIGGER flows_changed_product ON catalog_product;
DROP FUNCTION flows_signal_stages, flows_signal_segment_entries, flows_signal_segment_exits, flows_signal_orders, flows_signal_product;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0003_product_groups"),
        ("flows", "0001_initial"),
        ("lifecycle", "0005_wider_list_indexes"),
        ("orders", "0001_initial"),
        ("segments", "0004_pending_event_counts"),
    ]

    operations = [migrations.RunSQL(FUNCTIONS + TRIGGERS, DROP)]
