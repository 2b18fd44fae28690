"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(tab="customers.identity", model="identity.Customer", label=_("Customer records"), order=10),
    MenuList(tab="customers.identity", model="identity.Identifier", order=20),
    MenuList(tab="customers.identity", model="identity.IdentityConflict", order=30),
    MenuList(tab="customers.identity", model="identity.IdentityMerge", order=40),
    MenuList(tab="customers.identity", model="identity.IdentifierTransfer", order=50),
    MenuList(tab="settings.privacy", model="identity.Consent", order=10, menu_permission="identity.change_customer"),
)
