from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignSimulationConfig(AppConfig):
    name = "config.campaign_simulation"
    label = "campaign_simulation"
    verbose_name = _("Simulated campaigns")
