from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from config import celery  # makes ours the current Celery application in every process


class ConfigConfig(AppConfig):
    name = "config"
    celery_app = celery.app

    def ready(self) -> None:
        from config.schedule import keep_schedule_in_step  # needs loaded models, which this module is imported before

        autodiscover_modules("backoffice.admin")  # where each room registers its models with the admin site
        keep_schedule_in_step()
