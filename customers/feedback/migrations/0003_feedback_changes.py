from django.db import migrations

# Whoever writes, replaces or deletes feedback, results that were computed from it are outdated. A sequence instead of a counter in a row,
# because writers would wait for each other's transactions. Sentiments, replies and texts are no part of these results.
COUNT_CHANGES = """
CREATE SEQUENCE feedback_changes;
CREATE FUNCTION feedback_count_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('feedback_changes');
    RETURN NULL;
END $$;
CREATE TRIGGER feedback_review_changed
    AFTER INSERT OR DELETE OR UPDATE OF rating, customer_id, product_id, written_at ON feedback_review
    FOR EACH STATEMENT EXECUTE FUNCTION feedback_count_changes();
CREATE TRIGGER feedback_answer_changed
    AFTER INSERT OR DELETE OR UPDATE OF score, kind, customer_id, answered_at ON feedback_surveyanswer
    FOR EACH STATEMENT EXECUTE FUNCTION feedback_count_changes();
"""
DROP_CHANGES = """
DROP TRIGGER feedback_review_changed ON feedback_review;
DROP TRIGGER feedback_answer_changed ON feedback_surveyanswer;
DROP FUNCTION feedback_count_changes;
DROP SEQUENCE feedback_changes;
"""


class Migration(migrations.Migration):
    dependencies = [("feedback", "0002_moderation_and_sentiment")]

    operations = [migrations.RunSQL(COUNT_CHANGES, DROP_CHANGES)]
