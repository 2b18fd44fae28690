"""What the audit log calls the things that can be done."""

from auditlog.models import LogEntry
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.foundation.audit_log import EXPORT, READ

ACTIONS: dict[int, str | Promise] = {
    LogEntry.Action.CREATE: _("Created"),
    LogEntry.Action.UPDATE: _("Changed"),
    LogEntry.Action.DELETE: _("Deleted"),
    LogEntry.Action.ACCESS: _("Personal data read"),
}
EVENTS: dict[str, str | Promise] = {
    READ: _("Personal data read"),
    EXPORT: _("Data exported"),
    "data.imported": _("File imported"),
    "user.password_changed": _("Password changed"),
    "user.rights_changed": _("Rights of a user changed"),
    "user.groups_changed": _("Roles of a user changed"),
    "user.permissions_changed": _("Permissions of a user changed"),
    "group.permissions_changed": _("Permissions of a role changed"),
    "api_key.created": _("API key created"),
    "api_key.rotated": _("API key rotated"),
    "api_key.changed": _("API key changed"),
    "api_key.deleted": _("API key deleted"),
    "write_key.rotated": _("Write key rotated"),
    "token_key.replaced": _("User token key replaced"),
    "token_key.shown": _("User token key shown"),
    "two_factor.enabled": _("Two-factor authentication enabled"),
    "two_factor.disabled": _("Two-factor authentication disabled"),
    "two_factor.reset": _("Two-factor authentication reset"),
    "two_factor.recovery_codes_created": _("Recovery codes created"),
    "two_factor.recovery_code_used": _("Recovery code used"),
    "user.invited": _("User invited"),
    "shop.settings_changed": _("Shop settings changed"),
    "coupons.added": _("Coupon codes added"),
    "template.test_sent": _("Test message sent"),
    "job.started": _("Job started by hand"),
    "job.cancelled": _("Job cancelled"),
    "webhook.added": _("Webhook endpoint added"),
    "webhook.deleted": _("Webhook endpoint deleted"),
    "channel.changed": _("Account of a channel changed"),
    "channel.tested": _("Test message of a channel sent"),
    "channel.removed": _("Account of a channel removed"),
    "suppressions.imported": _("Suppressions imported"),
    "suppressions.import_undone": _("Import of suppressions undone"),
    "suppressions.removed": _("Suppressions removed"),
    "campaign.submitted": _("Campaign submitted for approval"),
    "campaign.approved": _("Campaign approved"),
    "campaign.launched": _("Campaign launched"),
    "campaign.returned": _("Campaign returned to draft"),
    "campaign.paused": _("Campaign paused"),
    "campaign.resumed": _("Campaign resumed"),
    "campaign.canceled": _("Campaign canceled"),
    "campaign.settings_changed": _("Rules for all campaigns changed"),
    "suggestion.accepted": _("Suggestion accepted"),
    "suggestion.dismissed": _("Suggestion dismissed"),
    "suggestion.reopened": _("Dismissal of a suggestion taken back"),
    "session.ended": _("Session ended"),
    "audit_log.purged": _("Old entries of the audit log deleted"),
}
