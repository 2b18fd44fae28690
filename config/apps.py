from django.apps import AppConfig

from config import celery  # makes ours the current Celery application in every process


class ConfigConfig(AppConfig):
    name = "config"
    celery_app = celery.app
