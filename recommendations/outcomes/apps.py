from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OutcomesConfig(AppConfig):
    name = "recommendations.outcomes"
    label = "outcomes"
    verbose_name = _("Outcomes")

    def ready(self) -> None:
        from recommendations.outcomes.backoffice.figure_names import register_outcome_figures

        register_outcome_figures()
