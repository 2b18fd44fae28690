"""What the privacy policy and the records contain: nothing about individual customers."""

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(
    table("policy.PolicySettings"),
    table("policy.PolicyVersion"),
    table("policy.DataRecipient"),
    table("policy.ProcessingActivity"),
    table("policy.Transfer"),
    table("policy.Breach"),
    table("identity.ConsentSettings"),
    reason="Texts and settings of the shop. A breach names a segment and a number of people, never a person.",
)
