"""Pages of the records of order imports."""

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from config.foundation.audit_log import record_export
from customers.identity.personal_data.masking import may_see_personal
from customers.orders.imports.file_import import get_error_file
from customers.orders.models import OrderImport

IMPORT_PERMISSIONS = ("orders.add_order", "orders.change_order")


def download_rejected(request: HttpRequest, run_id: int) -> FileResponse:
    """Download the rows that an import rejected, which contain the user IDs and addresses of buyers."""
    if not (request.user.has_perm("orders.view_orderimport") and may_see_personal(request)):
        raise PermissionDenied
    run = get_object_or_404(OrderImport, pk=run_id)
    path = get_error_file(run)
    if not run.error_file or not path.is_file():
        raise Http404(_("The error file does not exist or was deleted."))
    record_export(model=OrderImport, pks=[run.pk], details={"file": path.name})
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="text/csv")
