from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class SuggestionsConfig(AppConfig):
    name = "recommendations.suggestions"
    label = "suggestions"
    verbose_name = pgettext_lazy("next steps", "Suggestions")
