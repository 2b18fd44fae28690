"""URLs of feedback in the back office, below `admin/analytics/feedback/`."""

from django.contrib import admin
from django.urls import path

from customers.feedback.backoffice import pages

wrap = admin.site.admin_view

app_name = "feedback"
urlpatterns = [
    path("", wrap(pages.show_overview), name="overview"),
    path("products/", wrap(pages.show_products), name="products"),
    path("products/<int:pk>/", wrap(pages.show_product), name="product"),
]
