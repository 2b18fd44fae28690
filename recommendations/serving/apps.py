from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ServingConfig(AppConfig):
    name = "recommendations.serving"
    label = "serving"
    verbose_name = _("Recommendations")
