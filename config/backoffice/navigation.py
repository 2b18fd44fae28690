"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuPage(tab="home.home", label=_("Home"), url_name="admin:index", permission=None, order=10),
    MenuList(tab="settings.jobs", model="django_celery_beat.PeriodicTask", label=_("Schedule"), order=10),
    MenuPage(
        tab="settings.brand",
        label=_("Brand and email"),
        url_name="settings:shop",
        permission="shop.change_shopsettings",
        order=10,
    ),
    MenuPage(
        tab="settings.privacy",
        label=_("Overview"),
        url_name="settings:privacy",
        permission="identity.change_customer",
        order=5,
    ),
    MenuList(tab="settings.team", model="auth.User", order=10),
    MenuList(tab="settings.team", model="auth.Group", label=_("Roles"), order=20),
    MenuList(
        tab="settings.audit",
        model="auditlog.LogEntry",
        label=_("Audit log"),
        order=10,
        empty=_("Changes, exports and reads of personal data are recorded here."),
    ),
    MenuList(
        tab="settings.audit",
        model="axes.AccessAttempt",
        order=20,
        empty=_("No failed login. Accounts are locked after several wrong passwords."),
    ),
    MenuList(
        tab="settings.audit",
        model="axes.AccessLog",
        order=30,
        empty=_("Logins and logouts are recorded here."),
    ),
)
