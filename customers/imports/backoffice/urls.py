from django.urls import path

from customers.imports.backoffice import columns_page, feeds_page, list_page, run_page, upload_page

app_name = "imports"
urlpatterns = [
    path("", list_page.show_imports, name="list"),
    path("feeds/", feeds_page.show_feeds, name="feeds"),
    path("feeds/new/", feeds_page.edit_feed, name="new-feed"),
    path("feeds/<int:feed_id>/", feeds_page.edit_feed, name="feed"),
    path("feeds/<int:feed_id>/fetch/", feeds_page.fetch_now, name="fetch-feed"),
    path("feeds/<int:feed_id>/delete/", feeds_page.delete_feed, name="delete-feed"),
    path("new/<slug:kind>/", upload_page.upload_file, name="new"),
    path("<int:run_id>/columns/", columns_page.match_file_columns, name="columns"),
    path("<int:run_id>/", run_page.show_run, name="run"),
    path("<int:run_id>/fix/", run_page.fix_rows, name="fix"),
    path("<int:run_id>/import/", run_page.start_import, name="start"),
    path("<int:run_id>/cancel/", run_page.cancel, name="cancel"),
    path("<int:run_id>/undo/", run_page.undo, name="undo"),
    path("<int:run_id>/rejected-rows/", run_page.download_rejected, name="rejected"),
]
