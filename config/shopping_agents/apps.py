from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ShoppingAgentsConfig(AppConfig):
    name = "config.shopping_agents"
    label = "shopping_agents"
    verbose_name = _("Shopping agents")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from config.shopping_agents.models import AgentFeedSettings

        auditlog.register(AgentFeedSettings)
