"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(
        tab="customers.identity",
        model="identity.Customer",
        label=_("Customer records"),
        order=10,
        empty=_("Customers are created by orders and events. Import past orders to start."),
        empty_action=(_("Import orders"), "imports:list"),
    ),
    MenuList(
        tab="customers.identity",
        model="identity.Identifier",
        order=20,
        empty=_(
            "Identifiers recognize a customer: user IDs, devices, email addresses. They are stored with orders and events."
        ),
        empty_action=(_("Import orders"), "imports:list"),
    ),
    MenuList(
        tab="customers.identity",
        model="identity.IdentityConflict",
        order=30,
        empty=_(
            "No identity conflicts. A conflict is recorded when an event links two customers that must not be merged automatically."
        ),
    ),
    MenuList(
        tab="customers.identity",
        model="identity.IdentityMerge",
        order=40,
        empty=_(
            "No customers were merged. Two customers become one when a login or an order shows that they are the same person."
        ),
    ),
    MenuList(
        tab="customers.identity",
        model="identity.IdentifierTransfer",
        order=50,
        empty=_("No identifier moved from one customer to another."),
    ),
    MenuList(
        tab="settings.privacy",
        model="identity.Consent",
        order=10,
        menu_permission="identity.change_customer",
        empty=_(
            "Consents arrive with events, imports and the API. Without consent, no messages are sent to a customer."
        ),
    ),
)
