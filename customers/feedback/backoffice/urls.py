"""URLs of feedback in the back office, below `admin/analytics/feedback/`."""

from django.contrib import admin
from django.urls import path

from customers.feedback.backoffice import group_pages, pages

wrap = admin.site.admin_view

app_name = "feedback"
urlpatterns = [
    path("", wrap(pages.show_overview), name="overview"),
    path("products/", wrap(group_pages.show_products), name="products"),
    path("products/<int:pk>/", wrap(group_pages.show_product), name="product"),
    path("categories/", wrap(group_pages.show_categories), name="categories"),
    path("categories/<int:pk>/", wrap(group_pages.show_category), name="category"),
]
