from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AnalyticsConfig(AppConfig):
    name = "customers.analytics"
    label = "analytics"
    verbose_name = _("Analytics")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.analytics.models import Annotation, Dashboard, SavedReport
        from customers.analytics.report_segments import find_reports
        from customers.segments.usage import register_segment_users

        for model in (SavedReport, Dashboard, Annotation):
            auditlog.register(model)
        register_segment_users(find_reports)
