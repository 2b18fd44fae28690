from django.contrib import admin
from django.urls import path

from recommendations.sending.backoffice import suppression_pages

app_name = "suppressions"

own = admin.site.admin_view
urlpatterns = [
    path("", own(suppression_pages.show_suppressions), name="list"),
    path("add/", own(suppression_pages.add_suppression), name="add"),
    path("import/", own(suppression_pages.import_file), name="import"),
    path("undo/", own(suppression_pages.undo_file), name="undo"),
    path("<int:suppression_id>/remove/", own(suppression_pages.remove_suppression), name="remove"),
    path("suppressions.csv", own(suppression_pages.download_suppressions), name="export"),
]
