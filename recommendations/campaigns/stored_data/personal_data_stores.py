"""Campaigns: whom an exported audience held out."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import CustomerArrays
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction

register_stores(
    CustomerArrays(
        "campaigns.audiences",
        _("exported audiences"),
        "campaigns.AudienceExport",
        column="held_out_ids",
        is_renumbered=True,
        columns=("held_out_ids",),
        kept=_("How many customers were exported and held out, with the person under an anonymous number."),
    ),
    MatchingTexts(
        "campaigns.conditions",
        _("conditions of past runs that name people"),
        "campaigns.CampaignRun",
        "segment_condition",
        "exclusions",
        action=TextAction.MASK,
    ),
    MatchingTexts(
        "campaigns.audience_conditions",
        _("conditions of exported audiences that name people"),
        "campaigns.AudienceExport",
        "segment_condition",
        action=TextAction.MASK,
    ),
)
register_impersonal(
    table("campaigns.Campaign"),
    table("campaigns.CampaignRun"),
    table("campaigns.AudienceExport", "exported_by"),
    reason="Settings and counts of campaigns; who of the staff exported an audience.",
)
