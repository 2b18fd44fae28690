"""Triggers that write changed levels and earned points for flows; without a listener they write nothing."""

from django.db import migrations

# what the rules of the program change starts nothing: it is not something that the customer did
CREATE = """
CREATE FUNCTION flows_signal_levels() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'level') THEN RETURN NULL; END IF;
    INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
    SELECT 'level', CASE WHEN c.reason = 'downgrade' THEN 'falls' ELSE 'rises' END, c.customer_id, '', 'level:' || c.id, c.at,
           jsonb_build_object('level', COALESCE(l.key, ''), 'from', COALESCE(b.key, ''))
    FROM changed c LEFT JOIN loyalty_loyaltylevel l ON l.id = c.to_level_id LEFT JOIN loyalty_loyaltylevel b ON b.id = c.from_level_id
    WHERE c.reason <> 'rules'
    ORDER BY c.id;
    RETURN NULL;
END $$;
CREATE FUNCTION flows_signal_points() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'points') THEN RETURN NULL; END IF;
    INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
    SELECT 'points', 'earned', c.customer_id, '', 'points:' || c.id, c.at, jsonb_build_object('points', c.points, 'type', c.kind)
    FROM changed c WHERE c.points > 0
    ORDER BY c.id;
    RETURN NULL;
END $$;
CREATE TRIGGER flows_levels AFTER INSERT ON loyalty_levelchange REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION flows_signal_levels();
CREATE TRIGGER flows_points AFTER INSERT ON loyalty_pointentry REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION flows_signal_points();
"""
DROP = """
DROP TRIGGER flows_levels ON loyalty_levelchange;
DROP TRIGGER flows_points ON loyalty_pointentry;
DROP FUNCTION flows_signal_levels, flows_signal_points;
"""


class Migration(migrations.Migration):
    dependencies = [("flows", "0004_holdout"), ("loyalty", "0002_ledger")]

    operations = [migrations.RunSQL(CREATE, DROP)]
