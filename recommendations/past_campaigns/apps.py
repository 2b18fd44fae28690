from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PastCampaignsConfig(AppConfig):
    name = "recommendations.past_campaigns"
    label = "past_campaigns"
    verbose_name = _("Past campaigns")
