"""How long uploaded files and what undoing an import needs are kept."""

from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedFiles, count_up_to_limit, limit_preview
from config.foundation.retention.kinds import RetentionKind, RetentionPreview, register_retention
from customers.imports import runs
from customers.imports.models import ImportChange
from customers.imports.undo import purge_changes

UPLOADED_FILES = AgedFiles(lambda: tuple(folder.path for folder in (runs.UPLOADS, *runs.EARLIER_UPLOADS)))
ERROR_FILES = AgedFiles(lambda: (Path(settings.EXPORTS_DIR) / "imports",))


def preview_undo(before: datetime) -> RetentionPreview:
    rows = ImportChange.objects.filter(run__finished_at__lt=before).order_by()
    oldest = rows.order_by("run__finished_at").values_list("run__finished_at", flat=True).first()
    return limit_preview(count_up_to_limit(rows), oldest)


register_retention(
    RetentionKind(
        key="uploads",
        label=gettext_lazy("Uploaded files of imports"),
        note=gettext_lazy("Then deleted."),
        default_days=7,
        max_days=365,
        preview=UPLOADED_FILES.preview,
        purge=UPLOADED_FILES.purge,
        order=60,
    ),
    RetentionKind(
        key="import_errors",
        label=gettext_lazy("Files of rejected rows of imports"),
        note=gettext_lazy("They contain the rejected rows as they were in the imported file. Then deleted."),
        default_days=30,
        max_days=365,
        preview=ERROR_FILES.preview,
        purge=ERROR_FILES.purge,
        order=61,
    ),
    RetentionKind(
        key="import_undo",
        label=gettext_lazy("Data needed to undo imports"),
        note=gettext_lazy("After that, the import cannot be undone."),
        default_days=30,
        max_days=365,
        preview=preview_undo,
        purge=lambda before: purge_changes(at=timezone.now(), finished_before=before),
        order=62,
    ),
)
