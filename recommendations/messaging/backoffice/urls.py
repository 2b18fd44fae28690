"""URLs of templates and coupons, below `admin/templates/`."""

from django.contrib import admin
from django.urls import path

from recommendations.messaging.backoffice import (
    coupon_pages,
    editor_page,
    link_check_page,
    list_page,
    preview_page,
    settings_page,
    source_page,
    version_pages,
)

wrap = admin.site.admin_view

app_name = "message_templates"
urlpatterns = [
    path("", wrap(list_page.show_templates), name="list"),
    path("new/", wrap(settings_page.add_template), name="new"),
    path("coupons/", wrap(coupon_pages.show_pools), name="coupons"),
    path("coupons/new/", wrap(coupon_pages.add_pool), name="new-pool"),
    path("coupons/<int:pool_id>/", wrap(coupon_pages.show_pool), name="coupon-pool"),
    path("<int:template_id>/", wrap(editor_page.show_editor), name="editor"),
    path("<int:template_id>/edit/", wrap(editor_page.edit), name="edit"),
    path("<int:template_id>/texts/", wrap(editor_page.save_texts), name="texts"),
    path("<int:template_id>/source/", wrap(source_page.edit_source), name="source"),
    path("<int:template_id>/preview/", wrap(preview_page.show_preview), name="preview"),
    path("<int:template_id>/preview/text/", wrap(preview_page.show_text), name="preview-text"),
    path("<int:template_id>/customers/", wrap(preview_page.find_customers), name="customers"),
    path("<int:template_id>/checks/", wrap(version_pages.show_checks), name="checks"),
    path("<int:template_id>/links/", wrap(link_check_page.check_all_links), name="check-links"),
    path("<int:template_id>/versions/", wrap(version_pages.show_versions), name="versions"),
    path("<int:template_id>/publish/", wrap(version_pages.publish), name="publish"),
    path("<int:template_id>/discard/", wrap(version_pages.discard), name="discard"),
    path("<int:template_id>/versions/<int:number>/restore/", wrap(version_pages.restore), name="restore"),
    path("<int:template_id>/settings/", wrap(settings_page.edit_settings), name="settings"),
    path("<int:template_id>/archive/", wrap(settings_page.archive), name="archive"),
    path("<int:template_id>/test/", wrap(version_pages.send_test), name="test"),
]
