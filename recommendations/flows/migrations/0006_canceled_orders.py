"""A canceled order starts no flow; it does when it is placed after all, for example after a declined payment was repeated."""

from django.db import migrations

INSERTED = """
CREATE OR REPLACE FUNCTION flows_signal_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'event' AND name = 'order_placed') THEN RETURN NULL; END IF;
    INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
    SELECT 'event', 'order_placed', c.customer_id, '', 'order:' || c.id, c.placed_at,
           jsonb_build_object('order_id', c.order_id, 'total', c.total, 'currency', c.currency, 'coupon', c.coupon)
    FROM changed c
    WHERE c.customer_id IS NOT NULL AND c.kind = 'sale' AND c.placed_at > now() - interval '2 days'{condition}
    ORDER BY c.placed_at, c.id;
    RETURN NULL;
END $$;
"""
# One row at a time, because a trigger with transition tables would collect all rows of each update of orders.
UPDATED = """
CREATE FUNCTION flows_signal_placed_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.customer_id IS NULL OR NEW.kind <> 'sale' OR NEW.placed_at <= now() - interval '2 days'
       OR NOT EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'event' AND name = 'order_placed') THEN
        RETURN NULL;
    END IF;
    INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
    VALUES ('event', 'order_placed', NEW.customer_id, '', 'order:' || NEW.id, now(),
            jsonb_build_object('order_id', NEW.order_id, 'total', NEW.total, 'currency', NEW.currency, 'coupon', NEW.coupon));
    RETURN NULL;
END $$;
CREATE TRIGGER flows_placed_order AFTER UPDATE OF status ON orders_order
    FOR EACH ROW WHEN (OLD.status = 'cancelled' AND NEW.status <> 'cancelled') EXECUTE FUNCTION flows_signal_placed_order();
"""
DROP = "DROP TRIGGER flows_placed_order ON orders_order; DROP FUNCTION flows_signal_placed_order;"


class Migration(migrations.Migration):
    dependencies = [("flows", "0005_loyalty_triggers")]

    operations = [
        migrations.RunSQL(
            INSERTED.format(condition=" AND c.status <> 'cancelled'") + UPDATED, DROP + INSERTED.format(condition="")
        )
    ]
