from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AccessConfig(AppConfig):
    name = "config.access"
    label = "access"
    verbose_name = _("Access")

    def ready(self) -> None:
        from config.access.audit.signals import connect_audit_log
        from config.access.roles import ensure_roles_after_migrate

        connect_audit_log()
        # This app migrates after all others, so every permission exists by then.
        post_migrate.connect(ensure_roles_after_migrate, sender=self, dispatch_uid="config.access.roles")
