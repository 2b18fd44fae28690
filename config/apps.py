from django.apps import AppConfig

from config import celery  # makes ours the current Celery application in every process


class ConfigConfig(AppConfig):
    name = "config"
    celery_app = celery.app

    def ready(self) -> None:
        from config.schedule import keep_schedule_in_step  # needs loaded models, which this module is imported before

        keep_schedule_in_step()
