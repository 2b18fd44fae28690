"""Who opened personal data of events: lines of the audit log."""

from collections.abc import Collection

from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models

CHUNK = 500


def record_openings(*, model: type[models.Model], pks: Collection[int], actor_id: int | None) -> None:
    """A line for each of them. They are named by number alone: a reason can quote what is personal."""
    kind = ContentType.objects.get_for_model(model)
    LogEntry.objects.bulk_create(
        [
            LogEntry(
                content_type=kind,
                object_pk=str(pk),
                object_id=pk,
                object_repr=f"#{pk}",
                action=LogEntry.Action.ACCESS,
                actor_id=actor_id,
            )
            for pk in pks
        ],
        batch_size=CHUNK,
    )
