"""URLs of the loyalty program, below ``admin/customers/loyalty/``."""

from django.contrib import admin
from django.urls import path

from customers.loyalty.backoffice import ledger_pages, overview_page, rules_page

wrap = admin.site.admin_view

app_name = "loyalty"
urlpatterns = [
    path("", wrap(overview_page.show_overview), name="overview"),
    path("rules/", wrap(rules_page.show_rules), name="rules"),
    path("points/", wrap(ledger_pages.show_ledger), name="ledger"),
    path("points/<int:customer_id>/adjust/", wrap(ledger_pages.adjust), name="adjust"),
]
