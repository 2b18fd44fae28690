"""Pages of the records of file imports: their state, their counts, and whether a dry run can be confirmed."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from config.foundation.admin.read_only import ReadOnlyPermissions
from config.foundation.job_runs import FileImport
from config.foundation.number_formats import NO_VALUE
from config.foundation.uploads import UploadFolder


class FileImportAdmin(ReadOnlyPermissions, ModelAdmin):
    """Lists and shows imports; subclasses add the upload page.

    Attributes:
        uploads: the folder of the uploaded files.
        import_permissions: the permissions that an import requires.
    """

    uploads: ClassVar[UploadFolder]
    import_permissions: ClassVar[tuple[str, ...]]

    search_fields = ("file_name",)
    date_hierarchy = "started_at"
    show_full_result_count = False
    actions_list = ("open_upload",)

    def has_import_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(self.import_permissions)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = self.build_context(request, self.get_object(request, object_id))
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def build_context(self, request: HttpRequest, record: Any) -> dict[str, Any]:
        """Return what the template above the fields shows; ``record`` is None if it does not exist."""
        can_confirm = record is not None and self.uploads.can_confirm(record) and self.has_import_permission(request)
        return {"can_confirm": can_confirm}

    @display(description=_("state"), label={"done": "success", "failed": "danger", "open": "warning"})
    def state(self, record: FileImport) -> tuple[str, Any]:
        if record.error:
            return "failed", _("failed")
        return ("done", _("done")) if record.finished_at else ("open", _("not finished"))


def render_table(rows: Iterable[tuple[Any, Any]]) -> str | SafeString:
    """Return a table of names and values; a dash without rows."""
    body = format_html_join("", '<tr><td class="pr-6">{}</td><td class="text-right">{}</td></tr>', rows)
    return format_html("<table><tbody>{}</tbody></table>", body) if body else NO_VALUE


def render_download_link(address: str) -> SafeString:
    return format_html('<a class="text-primary-600" href="{}">{}</a>', address, _("Download"))
