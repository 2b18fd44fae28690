from django.contrib import admin
from django.urls import path

from customers.policy.backoffice import consent_page, policy_page, records_page

app_name = "privacy_settings"

own = admin.site.admin_view
urlpatterns = [
    path("consent/", own(consent_page.show_consent_rules), name="consent"),
    path("policy/", own(policy_page.show_policy_page), name="policy"),
    path("records/", own(records_page.show_records), name="records"),
    path("records/<str:kind>.csv", own(records_page.download_csv), name="records_csv"),
    path("records/<str:kind>.html", own(records_page.show_printable), name="records_html"),
]
