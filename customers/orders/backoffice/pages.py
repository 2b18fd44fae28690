"""Pages of the back office beside lists and forms: the upload of orders, its confirmation, the file of its rejected rows."""

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from config.foundation.database.advisory_locks import AlreadyRunningError
from customers.events.models import Source
from customers.orders.backoffice.forms import OrderUploadForm
from customers.orders.imports.file_import import ImportOptionError, MappingError, UnreadableFileError, error_file
from customers.orders.imports.uploads import can_confirm, confirm_upload, is_large, keep_upload, run_upload
from customers.orders.models import OrderImport
from customers.orders.tasks import import_orders_file

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

CHANGE_PAGE = "admin:orders_orderimport_change"
RIGHTS = ("orders.add_order", "orders.change_order")


def require_import_right(request: HttpRequest) -> None:
    if not request.user.has_perms(RIGHTS):
        raise PermissionDenied


def upload_orders(request: HttpRequest, model_admin: "ModelAdmin") -> HttpResponse:
    """Takes a file, tries it without effect, and shows what it would do."""
    require_import_right(request)
    form = OrderUploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        key = form.cleaned_data["source"]
        source, _created = Source.objects.get_or_create(key=key, defaults={"name": key, "kind": Source.Kind.IMPORT})
        try:
            run = keep_upload(file=form.cleaned_data["file"], source=source, options=form.options(), at=timezone.now())
        except OSError as error:
            form.add_error("file", _("The file cannot be kept: %(reason)s.") % {"reason": error.strerror or error})
        else:
            start(request, run)
            return redirect(CHANGE_PAGE, run.pk)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Import orders"),
        "form": form,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "admin/orders/upload_orders.html", context)


def confirm_orders(request: HttpRequest, run_id: int) -> HttpResponse:
    """Imports for real what was tried."""
    require_import_right(request)
    tried = get_object_or_404(OrderImport.objects.select_related("source"), pk=run_id)
    if request.method != "POST" or not can_confirm(tried):
        messages.error(request, _("This file is no longer there, or could not be read. Upload it again."))
        return redirect(CHANGE_PAGE, tried.pk)
    run = confirm_upload(tried=tried, at=timezone.now())
    start(request, run)
    return redirect(CHANGE_PAGE, run.pk)


def start(request: HttpRequest, run: OrderImport) -> None:
    """Small files are read while the browser waits, large ones by a worker."""
    if is_large(run):
        try:
            import_orders_file.delay(run.pk)
        except OperationalError as error:
            run.error = _("No worker can be reached: %(reason)s") % {"reason": error}
            run.save(update_fields=["error"])
        else:
            messages.info(
                request, _("The file is large and is read by a worker. Reload this page to see how far it is.")
            )
        return
    try:
        run_upload(run=run)
    except AlreadyRunningError as error:
        run.error = str(error)
        run.save(update_fields=["error"])
    except (UnreadableFileError, MappingError, ImportOptionError):
        pass  # the record, which is shown next, says why


def download_rejected(request: HttpRequest, run_id: int) -> FileResponse:
    """The file of the rows that an import rejected."""
    if not request.user.has_perm("orders.view_orderimport"):
        raise PermissionDenied
    run = get_object_or_404(OrderImport, pk=run_id)
    path = error_file(run)
    if not run.error_file or not path.is_file():
        raise Http404(_("There is no error file, or it was deleted."))
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="text/csv")
