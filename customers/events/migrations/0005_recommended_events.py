from django.db import migrations

# what followed from recommendations is counted by the time at which it came; few events name one, so the index stays small
INDEX = "CREATE INDEX events_event_recommended ON events_event (received_at) WHERE recommendation_id <> ''"


class Migration(migrations.Migration):
    dependencies = [("events", "0004_source_without_foreign_key")]

    operations = [migrations.RunSQL(INDEX, "DROP INDEX events_event_recommended")]
