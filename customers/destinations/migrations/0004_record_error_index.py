from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("destinations", "0003_record_age_index")]

    operations = [
        AddIndexConcurrently(
            "outgoingrecord",
            models.Index(fields=["id"], name="destinations_record_error", condition=~Q(error="")),
        ),
    ]
