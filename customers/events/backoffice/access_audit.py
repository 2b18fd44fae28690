"""Records views of personal data of events in the audit log."""

from collections.abc import Collection

from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models

CHUNK = 500


def record_access(*, model: type[models.Model], pks: Collection[int], actor_id: int | None) -> None:
    """Add an audit log entry for each object, named by number only, since a reason can quote personal data."""
    content_type = ContentType.objects.get_for_model(model)
    LogEntry.objects.bulk_create(
        [
            LogEntry(
                content_type=content_type,
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
