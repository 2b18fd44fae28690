from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate, post_save
from django.utils.translation import gettext_lazy as _


class AccessConfig(AppConfig):
    name = "config.access"
    label = "access"
    verbose_name = _("Access")

    def ready(self) -> None:
        from config.access.audit.signals import connect_audit_log
        from config.access.roles import ensure_roles_after_migrate
        from config.access.sessions.active_sessions import end_sessions_after_password_change
        from config.access.sessions.lifetime import start_session
        from config.foundation.rest.field_messages import replace_field_messages

        connect_audit_log()
        replace_field_messages()
        # This app migrates after all others, so every permission exists by then.
        post_migrate.connect(ensure_roles_after_migrate, sender=self, dispatch_uid="config.access.roles")
        user_logged_in.connect(start_session, dispatch_uid="config.access.sessions.start")
        post_save.connect(
            end_sessions_after_password_change, sender="auth.User", dispatch_uid="config.access.sessions.end"
        )
