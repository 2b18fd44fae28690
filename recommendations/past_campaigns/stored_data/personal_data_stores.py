"""Recipients of campaigns that another system sent."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import CustomerArrays

KEPT_RECIPIENT = _("The number of recipients and redeemers. The person is counted under an anonymous number.")

register_stores(
    *(
        CustomerArrays(
            f"past_campaigns.{column}",
            label,
            "past_campaigns.PastCampaign",
            column=column,
            columns=(column,),
            is_renumbered=True,
            kept=KEPT_RECIPIENT,
        )
        for column, label in (
            ("recipient_ids", _("recipients of past campaigns")),
            ("redeemer_ids", _("redeemers of past campaigns")),
        )
    )
)
register_impersonal(
    table("past_campaigns.PastCampaign"), reason="Descriptions of campaigns and the days of redemptions."
)
