"""The database refuses to change the ledger of points, keeps balances equal to its sum, and notes customers whose orders change."""

from django.db import migrations

# Merging customers moves entries: nothing else of an entry may change. Deleting customers opens the ledger of consents, and this one with it.
REFUSE = """
CREATE FUNCTION loyalty_refuse_entry_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('perennial.point_ledger', true) = 'on' OR current_setting('perennial.consent_ledger', true) = 'on' THEN
        IF TG_OP = 'TRUNCATE' THEN
            RETURN NULL;
        END IF;
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'customer_id' = to_jsonb(OLD) - 'customer_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The ledger of points is append-only: % of % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'Add a new entry. Erasing a customer removes the entries.';
END $$;
CREATE TRIGGER loyalty_entry_append_only BEFORE UPDATE OR DELETE ON loyalty_pointentry
    FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_entry_change();
CREATE TRIGGER loyalty_entry_no_truncate BEFORE TRUNCATE ON loyalty_pointentry
    FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse_entry_change();
"""
BALANCE = """
CREATE FUNCTION loyalty_add_to_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'UPDATE') THEN
        UPDATE loyalty_loyaltymember m SET balance = m.balance - e.points
        FROM (SELECT customer_id, sum(points) AS points FROM old_entry GROUP BY customer_id ORDER BY customer_id) e
        WHERE m.customer_id = e.customer_id;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        INSERT INTO loyalty_loyaltymember (customer_id, balance)
        SELECT customer_id, sum(points) FROM new_entry GROUP BY customer_id ORDER BY customer_id
        ON CONFLICT (customer_id) DO UPDATE SET balance = loyalty_loyaltymember.balance + excluded.balance;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER loyalty_entry_added AFTER INSERT ON loyalty_pointentry REFERENCING NEW TABLE AS new_entry
    FOR EACH STATEMENT EXECUTE FUNCTION loyalty_add_to_balance();
CREATE TRIGGER loyalty_entry_moved AFTER UPDATE ON loyalty_pointentry REFERENCING OLD TABLE AS old_entry NEW TABLE AS new_entry
    FOR EACH STATEMENT EXECUTE FUNCTION loyalty_add_to_balance();
CREATE TRIGGER loyalty_entry_deleted AFTER DELETE ON loyalty_pointentry REFERENCING OLD TABLE AS old_entry
    FOR EACH STATEMENT EXECUTE FUNCTION loyalty_add_to_balance();
"""
NOTE_ORDERS = """
CREATE FUNCTION loyalty_note_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM loyalty_loyaltyprogram WHERE is_enabled) THEN
        RETURN NULL;
    END IF;
    IF TG_OP IN ('DELETE', 'UPDATE') THEN
        INSERT INTO loyalty_pendingmember (customer_id) SELECT DISTINCT customer_id FROM old_order WHERE customer_id IS NOT NULL;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        INSERT INTO loyalty_pendingmember (customer_id) SELECT DISTINCT customer_id FROM new_order WHERE customer_id IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER loyalty_order_added AFTER INSERT ON orders_order REFERENCING NEW TABLE AS new_order
    FOR EACH STATEMENT EXECUTE FUNCTION loyalty_note_orders();
CREATE TRIGGER loyalty_order_changed AFTER UPDATE ON orders_order REFERENCING OLD TABLE AS old_order NEW TABLE AS new_order
    FOR EACH STATEMENT EXECUTE FUNCTION loyalty_note_orders();
CREATE TRIGGER loyalty_order_deleted AFTER DELETE ON orders_order REFERENCING OLD TABLE AS old_order
    FOR EACH STATEMENT EXECUTE FUNCTION loyalty_note_orders();
"""
UNDO = """
DROP TRIGGER loyalty_order_added ON orders_order;
DROP TRIGGER loyalty_order_changed ON orders_order;
DROP TRIGGER loyalty_order_deleted ON orders_order;
DROP TRIGGER loyalty_entry_added ON loyalty_pointentry;
DROP TRIGGER loyalty_entry_moved ON loyalty_pointentry;
DROP TRIGGER loyalty_entry_deleted ON loyalty_pointentry;
DROP TRIGGER loyalty_entry_append_only ON loyalty_pointentry;
DROP TRIGGER loyalty_entry_no_truncate ON loyalty_pointentry;
DROP FUNCTION loyalty_note_orders, loyalty_add_to_balance, loyalty_refuse_entry_change;
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0001_initial"), ("orders", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE + BALANCE + NOTE_ORDERS, UNDO)]
