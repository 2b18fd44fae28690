"""The scopes of API keys, and the back-office permission that corresponds to each."""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.translation import gettext_lazy as _

from customers.identity.personal_data.masking import PERSONAL_SCOPE, VIEW_PERSONAL_PERMISSION

# Scope → (what it allows, the Django permission that grants it to a back-office user).
KNOWN_SCOPES = {
    "catalog:read": (_("read products and categories"), "catalog.view_product"),
    "catalog:write": (_("change products and categories"), "catalog.change_product"),
    "analytics:read": (_("query analytics and read reports"), "analytics.view_analyticsresult"),
    "demand:read": (_("read demand forecasts and the restock list"), "demand.view_restockitem"),
    "customers:read": (_("read customers, profiles and consents"), "identity.view_customer"),
    "customers:write": (_("change customers and record consents"), "identity.change_customer"),
    PERSONAL_SCOPE: (_("read names, email addresses, phone numbers and birthdays"), VIEW_PERSONAL_PERMISSION),
    "loyalty:read": (_("read loyalty levels and points"), "loyalty.view_loyaltymember"),
    "loyalty:write": (_("record daily sign-ins, and spend points"), "loyalty.change_loyaltymember"),
    "orders:read": (_("read orders"), "orders.view_order"),
    "orders:write": (_("change orders"), "orders.change_order"),
    "events:read": (_("read events"), "events.view_event"),
    "events:write": (_("change sources and events"), "events.change_source"),
    "feedback:read": (_("read reviews"), "feedback.view_review"),
    "feedback:write": (_("change reviews"), "feedback.change_review"),
    "segments:read": (_("read segments and their members"), "segments.view_segment"),
    "segments:write": (_("change segments"), "segments.change_segment"),
    "campaigns:read": (_("read campaigns"), "campaigns.view_campaign"),
    "campaigns:write": (_("change and launch campaigns"), "campaigns.change_campaign"),
    "flows:read": (_("read flows and their entries"), "flows.view_flow"),
    "flows:write": (_("change and publish flows"), "flows.change_flow"),
    "experiments:read": (_("read experiments and their results"), "experiments.view_experiment"),
    "experiments:write": (_("start, stop and promote experiments"), "experiments.change_experiment"),
    "messages:read": (_("read deliveries and the suppression list"), "sending.view_delivery"),
    "messages:write": (_("change the suppression list"), "sending.delete_suppression"),
    "models:read": (_("read model versions and their metrics"), "training.view_modelversion"),
    "models:write": (_("promote and roll back models"), "training.change_modelversion"),
    "privacy:read": (_("read privacy requests and their receipts"), "privacy.view_privacyrequest"),
    "privacy:write": (_("open privacy requests and create links for customers"), "privacy.change_privacyrequest"),
    "recommendations:read": (_("request recommendations"), "training.view_modelversion"),
    "recommendations:write": (_("change recommendation rules"), "merchandising.change_rule"),
}


def find_unknown_scopes(scopes: list[str]) -> list[str]:
    return sorted(set(scopes) - KNOWN_SCOPES.keys())


def list_user_scopes(user: AbstractBaseUser | AnonymousUser) -> frozenset[str]:
    """Return the scopes that a back-office user's permissions grant; a superuser has all."""
    return frozenset(scope for scope, (_text, permission) in KNOWN_SCOPES.items() if user.has_perm(permission))  # type: ignore[union-attr]
