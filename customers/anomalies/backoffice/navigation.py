"""The page of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="analytics.anomalies",
        label=_("Anomalies"),
        url_name="anomalies:list",
        permission="anomalies.view_anomaly",
        details=("anomalies:anomaly", "anomalies:metric"),
    )
)
