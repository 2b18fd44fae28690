"""Indexes for the customers who left a flow at a step, or at whom a step failed."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q

LEFT = ("goal", "exited", "removed", "merged", "erased")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("flows", "0008_start_of_entries")]

    operations = [
        AddIndexConcurrently(
            "flowentry",
            models.Index(fields=["version", "step_key", "-id"], condition=Q(status__in=LEFT), name="flows_entry_left"),
        ),
        AddIndexConcurrently(
            "flowsteprun",
            models.Index(
                fields=["version", "step_key", "-id"], condition=Q(outcome="failed"), name="flows_steprun_failed"
            ),
        ),
    ]
