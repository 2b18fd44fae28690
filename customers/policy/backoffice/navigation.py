"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuPage(
        tab="settings.privacy",
        label=_("Consent rules"),
        url_name="privacy_settings:consent",
        permission="identity.change_consentsettings",
        order=20,
    ),
    MenuPage(
        tab="settings.records",
        label=_("Privacy policy"),
        url_name="privacy_settings:policy",
        permission="policy.view_policyversion",
        order=30,
    ),
    MenuPage(
        tab="settings.records",
        label=_("Records"),
        url_name="privacy_settings:records",
        permission="policy.view_processingactivity",
        order=40,
    ),
    MenuList(
        tab="settings.records",
        model="policy.ProcessingActivity",
        order=50,
        empty=_("Nothing is recorded yet. The page Records fills in what Perennial knows about itself."),
        empty_action=(_("Open Records"), "privacy_settings:records"),
    ),
    MenuList(
        tab="settings.records",
        model="policy.DataRecipient",
        order=60,
        empty=_(
            "Nobody outside of the shop is recorded. The page Records adds the providers that are configured; add others by hand."
        ),
        empty_action=(_("Open Records"), "privacy_settings:records"),
    ),
    MenuList(
        tab="settings.records",
        model="policy.Transfer",
        order=70,
        empty=_("No transfer abroad is recorded. Add one for each recipient in another country."),
    ),
    MenuList(
        tab="settings.records",
        model="policy.Breach",
        order=80,
        empty=_(
            "No breach is recorded. Add one as soon as you know of it: the 72 hours for telling the authority begin then."
        ),
    ),
)
