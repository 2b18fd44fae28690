from django.db import migrations

# Whoever adds or removes members of static segments, results that were computed for them are outdated. A sequence instead of a counter in
# the segment, because flows and imports would wait for each other's transactions.
COUNT_CHANGES = """
CREATE SEQUENCE segments_member_changes;
CREATE FUNCTION segments_count_member_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('segments_member_changes');
    RETURN NULL;
END $$;
CREATE TRIGGER segments_member_changed AFTER INSERT OR UPDATE OR DELETE ON segments_segmentmember
    FOR EACH STATEMENT EXECUTE FUNCTION segments_count_member_changes();
"""
DROP_CHANGES = """
DROP TRIGGER segments_member_changed ON segments_segmentmember;
DROP FUNCTION segments_count_member_changes;
DROP SEQUENCE segments_member_changes;
"""


class Migration(migrations.Migration):
    dependencies = [("segments", "0005_changed_customers")]

    operations = [migrations.RunSQL(COUNT_CHANGES, DROP_CHANGES)]
