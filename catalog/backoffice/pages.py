"""Pages of the feed import: upload, confirmation and download of the rejected rows."""

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
from catalog.feeds.uploads import FEED_UPLOADS, create_dry_run, import_upload
from catalog.models import FeedImport
from catalog.tasks import import_uploaded_feed
from config.foundation.audit_log import record_export
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.uploads import create_confirmed_import

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

CHANGE_PAGE = "admin:catalog_feedimport_change"
IMPORT_PERMISSIONS = ("catalog.add_product", "catalog.change_product")


def require_import_permission(request: HttpRequest) -> None:
    if not request.user.has_perms(IMPORT_PERMISSIONS):
        raise PermissionDenied


def upload_feed(request: HttpRequest, model_admin: "ModelAdmin") -> HttpResponse:
    """Store an uploaded feed, run it as a dry run and show the result."""
    require_import_permission(request)
    form = FeedUploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            record = create_dry_run(file=form.cleaned_data["file"], options=form.build_options(), at=timezone.now())
        except OSError as error:
            form.add_error("file", _("The file cannot be stored: %(reason)s.") % {"reason": error.strerror or error})
        else:
            start_import(request, record)
            return redirect(CHANGE_PAGE, record.pk)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Import a product feed"),
        "form": form,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "admin/upload_file.html", context)


def confirm_feed(request: HttpRequest, record_id: int) -> HttpResponse:
    """Import the file of a dry run for real."""
    require_import_permission(request)
    dry_run = get_object_or_404(FeedImport, pk=record_id)
    if request.method != "POST" or not FEED_UPLOADS.can_confirm(dry_run):
        messages.error(request, _("The file was deleted or could not be read. Upload it again."))
        return redirect(CHANGE_PAGE, dry_run.pk)
    record = create_confirmed_import(dry_run=dry_run, at=timezone.now(), copied_fields=["format"])
    start_import(request, record)
    return redirect(CHANGE_PAGE, record.pk)


def start_import(request: HttpRequest, record: FeedImport) -> None:
    """Import a small file while the browser waits; pass a large one to a worker."""
    if FEED_UPLOADS.is_large(record):
        try:
            import_uploaded_feed.delay(record.pk)
        except OperationalError as error:
            record.error = _("No worker is available: %(reason)s") % {"reason": error}
            record.finished_at = timezone.now()
            record.save()
        else:
            messages.info(
                request,
                _("The file is large and is imported in the background. Reload this page to see the progress."),
            )
        return
    try:
        import_upload(record=record)
    except (FeedError, AlreadyRunningError) as error:
        messages.error(request, str(error))


def download_errors(request: HttpRequest, record_id: int) -> FileResponse:
    """Send the file of the rows that an import rejected."""
    if not request.user.has_perm("catalog.view_feedimport"):
        raise PermissionDenied
    record = get_object_or_404(FeedImport, pk=record_id)
    path = Path(record.error_file)
    if not record.error_file or not path.is_file():
        raise Http404(_("The error file does not exist or was deleted."))
    record_export(model=FeedImport, pks=[record.pk], details={"file": path.name})
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="text/csv")
