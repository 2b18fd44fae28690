from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EncryptionKeysConfig(AppConfig):
    name = "config.encryption_keys"
    label = "encryption_keys"
    verbose_name = _("encryption keys")
