from django.urls import path

from customers.destinations.backoffice import destination_page, list_page, settings_pages

app_name = "destinations"
urlpatterns = [
    path("", list_page.show_destinations, name="list"),
    path("new/<slug:kind>/", settings_pages.add_destination, name="new"),
    path("<int:destination_id>/", destination_page.show_destination, name="page"),
    path("<int:destination_id>/settings/", settings_pages.change_settings, name="settings"),
    path("<int:destination_id>/delete/", settings_pages.delete_destination, name="delete"),
    path("<int:destination_id>/letters/<int:record_id>/", destination_page.retry_letter, name="letter"),
    path("<int:destination_id>/<slug:action>/", destination_page.change_destination, name="change"),
]
