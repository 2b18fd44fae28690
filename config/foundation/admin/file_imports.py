"""Pages of the records of file imports: their state and their counts."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.admin.read_only import ReadOnlyPermissions
from config.foundation.job_runs import FileImport
from config.foundation.number_formats import NO_VALUE


class FileImportAdmin(ReadOnlyPermissions, ModelAdmin):
    """Lists and shows imports, which the import wizard and the command line start.

    Attributes:
        import_permissions: the permissions that an import requires.
        import_kind: the kind of data in the import wizard.
    """

    import_permissions: ClassVar[tuple[str, ...]]
    import_kind: ClassVar[str]

    search_fields = ("file_name",)
    date_hierarchy = "started_at"
    show_full_result_count = False
    actions_list = ("open_upload",)

    def has_import_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(self.import_permissions)

    def get_urls(self) -> list[URLPattern]:
        return [*redirect_to_wizard(self.import_kind, "upload/", "<int:record_id>/confirm/"), *super().get_urls()]

    @action(description=_("Import a file"), url_path="open-upload", permissions=["import"], icon="upload")
    def open_upload(self, request: HttpRequest) -> HttpResponse:
        return redirect("imports:new", self.import_kind)

    @display(description=_("state"), label={"done": "success", "failed": "danger", "open": "warning"})
    def state(self, record: FileImport) -> tuple[str, Any]:
        if record.error:
            return "failed", _("failed")
        return ("done", _("done")) if record.finished_at else ("open", _("not finished"))


def redirect_to_wizard(kind: str, *routes: str) -> list[URLPattern]:
    """Return the URLs of earlier upload pages, which lead to the import wizard."""

    def open_wizard(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return redirect("imports:new", kind)

    return [path(route, open_wizard) for route in routes]


def render_table(rows: Iterable[tuple[Any, Any]]) -> str | SafeString:
    """Return a table of names and values; a dash without rows."""
    body = format_html_join("", '<tr><td class="pr-6">{}</td><td class="text-right">{}</td></tr>', rows)
    return format_html("<table><tbody>{}</tbody></table>", body) if body else NO_VALUE


def render_download_link(address: str) -> SafeString:
    return format_html('<a class="text-primary-600" href="{}">{}</a>', address, _("Download"))
