"""Records views of personal data of events in the audit log."""

from collections.abc import Collection

from django.db import models

from config.foundation import audit_log


def record_access(*, model: type[models.Model], pks: Collection[int], actor_id: int | None) -> None:
    """Record that the caller saw these objects."""
    audit_log.record_access(model=model, pks=pks)
