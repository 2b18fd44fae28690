"""URLs of demand in the back office, below `admin/analytics/demand/`."""

from django.contrib import admin
from django.urls import path

from customers.demand.backoffice import export, restock_page, series_page

wrap = admin.site.admin_view

app_name = "demand"
urlpatterns = [
    path("", wrap(restock_page.show_restock_list), name="restock"),
    path("progress/", wrap(restock_page.show_progress), name="progress"),
    path("restock.csv", wrap(export.download_restock_list), name="export"),
    path("shop/", wrap(series_page.show_shop), name="shop"),
    path("products/<int:pk>/", wrap(series_page.show_product), name="product"),
    path("categories/<int:pk>/", wrap(series_page.show_category), name="category"),
]
