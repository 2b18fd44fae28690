"""URLs of the customers list, below `admin/customers/`."""

from django.contrib import admin
from django.urls import path

from customers.segments.backoffice.customer_list.add_page import show_add_page
from customers.segments.backoffice.customer_list.export import download_customers
from customers.segments.backoffice.customer_list.list_page import show_count, show_list
from customers.segments.backoffice.customer_list.save_filter_page import show_save_filter_page
from customers.segments.backoffice.customer_list.saved_views import delete_view, save_view
from customers.segments.backoffice.customer_list.undo_page import show_undo_page

wrap = admin.site.admin_view

app_name = "customer_list"
urlpatterns = [
    path("", wrap(show_list), name="list"),
    path("count/", wrap(show_count), name="count"),
    path("export.csv", wrap(download_customers), name="export"),
    path("add-to-segment/", wrap(show_add_page), name="add"),
    path("save-as-segment/", wrap(show_save_filter_page), name="save-filter"),
    path("additions/<int:addition_id>/undo/", wrap(show_undo_page), name="undo"),
    path("views/save/", wrap(save_view), name="save-view"),
    path("views/<int:view_id>/delete/", wrap(delete_view), name="delete-view"),
]
