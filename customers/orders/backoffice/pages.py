"""Pages that upload an order file, confirm its import, and download its rejected rows."""

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from config.foundation.audit_log import record_export
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.uploads import create_confirmed_import
from customers.events.models import Source
from customers.identity.personal_data.masking import may_see_personal
from customers.orders.backoffice.forms import OrderUploadForm
from customers.orders.imports.file_import import (
    ColumnMappingError,
    ImportOptionError,
    UnreadableOrderFileError,
    get_error_file,
)
from customers.orders.imports.uploads import ORDER_UPLOADS, create_dry_run, import_upload
from customers.orders.models import OrderImport
from customers.orders.tasks import import_orders_file

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

CHANGE_PAGE = "admin:orders_orderimport_change"
IMPORT_PERMISSIONS = ("orders.add_order", "orders.change_order")


def require_import_permission(request: HttpRequest) -> None:
    if not request.user.has_perms(IMPORT_PERMISSIONS):
        raise PermissionDenied


def upload_orders(request: HttpRequest, model_admin: "ModelAdmin") -> HttpResponse:
    """Store a file, run a dry run, and show its result."""
    require_import_permission(request)
    form = OrderUploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        key = form.cleaned_data["source"]
        source, _created = Source.objects.get_or_create(key=key, defaults={"name": key, "kind": Source.Kind.IMPORT})
        try:
            run = create_dry_run(
                file=form.cleaned_data["file"], source=source, options=form.build_options(), at=timezone.now()
            )
        except OSError as error:
            form.add_error("file", _("The file cannot be stored: %(reason)s.") % {"reason": error.strerror or error})
        else:
            start_import(request, run)
            return redirect(CHANGE_PAGE, run.pk)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Import orders"),
        "form": form,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "admin/upload_file.html", context)


def confirm_orders(request: HttpRequest, run_id: int) -> HttpResponse:
    """Import the file of a dry run."""
    require_import_permission(request)
    dry_run = get_object_or_404(OrderImport.objects.select_related("source"), pk=run_id)
    if request.method != "POST" or not ORDER_UPLOADS.can_confirm(dry_run):
        messages.error(request, _("The file was deleted or could not be read. Upload it again."))
        return redirect(CHANGE_PAGE, dry_run.pk)
    run = create_confirmed_import(dry_run=dry_run, at=timezone.now(), copied_fields=["source"])
    start_import(request, run)
    return redirect(CHANGE_PAGE, run.pk)


def start_import(request: HttpRequest, run: OrderImport) -> None:
    """Import a small file while the browser waits; let a worker import a large one."""
    if ORDER_UPLOADS.is_large(run):
        try:
            import_orders_file.delay(run.pk)
        except OperationalError as error:
            run.error = _("No worker is available: %(reason)s") % {"reason": error}
            run.save(update_fields=["error"])
        else:
            messages.info(
                request,
                _("The file is large and is imported in the background. Reload this page to see the progress."),
            )
        return
    try:
        import_upload(run=run)
    except AlreadyRunningError as error:
        run.error = str(error)
        run.save(update_fields=["error"])
    except (UnreadableOrderFileError, ColumnMappingError, ImportOptionError):
        pass  # the page of the record shows the reason


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
