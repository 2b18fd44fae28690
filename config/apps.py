import gc
import os

from corsheaders.signals import check_request_enabled
from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from config import celery  # makes it the current Celery application in every process


class ConfigConfig(AppConfig):
    name = "config"
    celery_app = celery.app

    def ready(self) -> None:
        # this module is imported before the models are loaded
        from config.foundation.setting_values.parsing import check_email_backend, read_variable_value
        from config.http import checks  # noqa: F401 — registers them
        from config.http.cors import allow_key_origins
        from config.schedule import connect_schedule_sync

        if backend := os.environ.get("EMAIL_BACKEND", "").strip():
            read_variable_value(
                "EMAIL_BACKEND", backend, check_email_backend, "a class such as anymail.backends.postmark.EmailBackend"
            )
        autodiscover_modules("backoffice.admin")  # where each package registers its models with the admin site
        autodiscover_modules("backoffice.navigation")  # where each package registers its pages in the menu
        autodiscover_modules("backoffice.search_source")  # where each package registers what the search finds
        connect_schedule_sync()
        check_request_enabled.connect(allow_key_origins, dispatch_uid="config.http.cors")
        gc.freeze()  # what was imported
        gc.enable()  # config.settings has disabled it
