"""Pages of the back office beside lists and forms: the upload of a feed, its confirmation, the file of its errors."""

from pathlib import Path
from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from catalog.backoffice.forms import FeedUploadForm
from catalog.feeds.feed_file import FeedError
from catalog.feeds.uploads import can_confirm, confirm_upload, is_large, keep_upload, run_upload
from catalog.models import FeedImport
from catalog.tasks import import_uploaded_feed
from config.foundation.database.advisory_locks import AlreadyRunningError

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

CHANGE_PAGE = "admin:catalog_feedimport_change"


def require_import_right(request: HttpRequest) -> None:
    if not request.user.has_perms(["catalog.add_product", "catalog.change_product"]):
        raise PermissionDenied


def upload_feed(request: HttpRequest, model_admin: "ModelAdmin") -> HttpResponse:
    """Takes a file, tries it without effect, and shows what it would do."""
    require_import_right(request)
    form = FeedUploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            record = keep_upload(file=form.cleaned_data["file"], options=form.options(), at=timezone.now())
        except OSError as error:
            form.add_error("file", _("The file cannot be kept: %(reason)s.") % {"reason": error.strerror or error})
        else:
            start(request, record)
            return redirect(CHANGE_PAGE, record.pk)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Import a product feed"),
        "form": form,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "admin/catalog/upload_feed.html", context)


def confirm_feed(request: HttpRequest, record_id: int) -> HttpResponse:
    """Imports for real what was tried."""
    require_import_right(request)
    tried = get_object_or_404(FeedImport, pk=record_id)
    if request.method != "POST" or not can_confirm(tried):
        messages.error(request, _("This file is no longer there, or could not be read. Upload it again."))
        return redirect(CHANGE_PAGE, tried.pk)
    record = confirm_upload(tried=tried, at=timezone.now())
    start(request, record)
    return redirect(CHANGE_PAGE, record.pk)


def start(request: HttpRequest, record: FeedImport) -> None:
    """Small files are read while the browser waits, large ones by a worker."""
    if is_large(record):
        try:
            import_uploaded_feed.delay(record.pk)
        except OperationalError as error:
            record.error = _("No worker can be reached: %(reason)s") % {"reason": error}
            record.finished_at = timezone.now()
            record.save()
        else:
            messages.info(
                request, _("The file is large and is read by a worker. Reload this page to see how far it is.")
            )
        return
    try:
        run_upload(record=record)
    except (FeedError, AlreadyRunningError) as error:
        messages.error(request, str(error))


def download_errors(request: HttpRequest, record_id: int) -> FileResponse:
    """The file of what an import refused."""
    if not request.user.has_perm("catalog.view_feedimport"):
        raise PermissionDenied
    record = get_object_or_404(FeedImport, pk=record_id)
    path = Path(record.error_file)
    if not record.error_file or not path.is_file():
        raise Http404(_("There is no error file, or it was deleted."))
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="text/csv")
