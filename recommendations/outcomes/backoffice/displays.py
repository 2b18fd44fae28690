"""How each measure is shown: a new measure needs its own file and an entry here."""

from django.utils.translation import gettext_lazy as _

from recommendations.outcomes.backoffice.conversion import list_conversion_rows, show_conversion
from recommendations.outcomes.backoffice.growth import list_growth_rows, show_growth
from recommendations.outcomes.backoffice.retention import list_retention_rows, show_retention
from recommendations.outcomes.backoffice.satisfaction import list_satisfaction_rows, show_satisfaction
from recommendations.outcomes.backoffice.view import OutcomeDisplay

DISPLAYS = {
    "growth": OutcomeDisplay(_("Is the shop growing, and what drives the growth?"), show_growth, list_growth_rows),
    "retention": OutcomeDisplay(_("Do customers come back?"), show_retention, list_retention_rows),
    "conversion": OutcomeDisplay(_("Do sessions end with an order?"), show_conversion, list_conversion_rows),
    "satisfaction": OutcomeDisplay(_("Are customers satisfied?"), show_satisfaction, list_satisfaction_rows),
}
