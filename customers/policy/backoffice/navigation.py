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
        empty=_("Nothing is recorded yet. The Records page can fill in what Perennial itself does with personal data."),
        empty_action=(_("Open Records"), "privacy_settings:records"),
    ),
    MenuList(
        tab="settings.records",
        model="policy.DataRecipient",
        order=60,
        empty=_(
            "No external recipients are recorded. The Records page adds the configured providers; add others manually."
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
            "No breach is recorded. Add a breach as soon as you learn of it: the 72-hour deadline for notifying the authority starts then."
        ),
    ),
)
