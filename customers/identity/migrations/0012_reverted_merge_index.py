from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("identity", "0011_verified_identifiers")]

    operations = [
        AddIndexConcurrently(
            "identitymerge",
            models.Index(fields=["id"], name="identity_merge_reverted", condition=Q(reverted_at__isnull=False)),
        ),
    ]
