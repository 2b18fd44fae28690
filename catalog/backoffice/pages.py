"""Pages of the records of feed imports."""

from pathlib import Path

from django.http import FileResponse, Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from catalog.models import FeedImport
from config.foundation.audit_log import record_export
from config.foundation.backoffice.permissions import check_permissions

IMPORT_PERMISSIONS = ("catalog.add_product", "catalog.change_product")


def download_errors(request: HttpRequest, record_id: int) -> FileResponse:
    """Send the file of the rows that an import rejected."""
    check_permissions(request, "catalog.view_feedimport")
    record = get_object_or_404(FeedImport, pk=record_id)
    path = Path(record.error_file)
    if not record.error_file or not path.is_file():
        raise Http404(_("The error file does not exist or was deleted."))
    record_export(model=FeedImport, pks=[record.pk], details={"file": path.name})
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="text/csv")
