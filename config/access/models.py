"""API keys, stored responses of idempotent writes, back-office roles, sessions and second factors."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.identity.personal_data.encrypted_field import EncryptedTextField


class ApiKey(models.Model):
    """A key of the REST API; only its hash is stored."""

    class Kind(models.TextChoices):
        PUBLISHABLE = "publishable", _("publishable (browser)")
        SECRET = "secret", _("secret (server)")

    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    key_hash = models.CharField(_("key hash"), max_length=64, unique=True, editable=False)
    hint = models.CharField(
        pgettext_lazy("secret", "key"),
        max_length=20,
        editable=False,
        help_text=_("The first characters. The key itself is shown only once."),
    )
    previous_hash = models.CharField(max_length=64, blank=True, editable=False, db_index=True)
    previous_expires_at = models.DateTimeField(_("previous key expires at"), null=True, blank=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=50), verbose_name=_("scopes"), default=list, blank=True)
    requests_per_minute = models.PositiveIntegerField(
        _("requests per minute"),
        null=True,
        blank=True,
        help_text=_("If empty, the setting API_REQUESTS_PER_MINUTE applies."),
    )
    requires_user_token = models.BooleanField(
        _("require user tokens"),
        default=True,
        help_text=_(
            "For publishable keys: accept customer IDs only with a user token from your server. Otherwise, "
            "anyone can read the recommendations of any customer."
        ),
    )
    allowed_origins = ArrayField(
        models.CharField(max_length=200),
        verbose_name=_("allowed origins"),
        default=list,
        blank=True,
        help_text=_(
            "For publishable keys: the websites whose pages may read responses, for example https://shop.example."
        ),
    )
    is_test = models.BooleanField(
        _("test key"),
        default=False,
        db_default=False,
        help_text=_(
            "Requests are validated and answered like requests with a live key, but they change nothing and send nothing."
        ),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class IdempotentResponse(models.Model):
    """The response to a write with an Idempotency-Key; the same key gets it again for a day."""

    api_key = models.CharField(max_length=100)
    idempotency_key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("idempotent response")
        verbose_name_plural = _("idempotent responses")
        constraints = [models.UniqueConstraint(fields=["api_key", "idempotency_key"], name="access_response_once")]

    def __str__(self) -> str:
        return self.idempotency_key


class AuditSeal(models.Model):
    """Makes later changes of the audit log visible: a keyed hash over some entries, each entry's own hash, and the seal before."""

    number = models.BigIntegerField(primary_key=True)
    created_at = models.DateTimeField()
    entry_ids = ArrayField(models.BigIntegerField())
    entry_hashes = models.BinaryField(help_text="16 bytes for each entry, in the order of entry_ids.")
    seal = models.BinaryField()

    class Meta:
        verbose_name = _("audit log seal")
        verbose_name_plural = _("audit log seals")

    def __str__(self) -> str:
        return f"{self.number}:{bytes(self.seal).hex()}"


class AuditRedaction(models.Model):
    """The keyed hash of an entry of the audit log from which an erased person was taken out."""

    entry_id = models.BigIntegerField(primary_key=True)
    entry_hash = models.BinaryField()
    redacted_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        verbose_name = _("redacted audit log entry")
        verbose_name_plural = _("redacted audit log entries")

    def __str__(self) -> str:
        return str(self.entry_id)


class UnsealedEntry(models.Model):
    """An entry of the audit log that no seal covers yet; a trigger adds it in the transaction of the entry."""

    entry_id = models.BigIntegerField(primary_key=True)

    class Meta:
        verbose_name = _("unsealed audit log entry")
        verbose_name_plural = _("unsealed audit log entries")

    def __str__(self) -> str:
        return str(self.entry_id)


class Role(models.Model):
    """The permissions that a built-in role has received, so that those an operator removed are not granted again."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    group = models.OneToOneField("auth.Group", models.SET_NULL, null=True, related_name="+", verbose_name=_("group"))
    granted = models.JSONField(_("granted permissions"), default=list)

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")

    def __str__(self) -> str:
        return self.name


class UserSession(AbstractBaseSession):
    """A session of the back office: Django's own, and who signed in from where, so that it can be listed and ended."""

    user = models.ForeignKey("auth.User", models.CASCADE, null=True, related_name="+", verbose_name=_("user"))
    address = models.GenericIPAddressField(_("address"), null=True)
    user_agent = models.CharField(_("browser"), max_length=300)
    signed_in_at = models.DateTimeField(_("logged in at"), null=True)
    last_active_at = models.DateTimeField(_("last active at"), null=True)

    class Meta(AbstractBaseSession.Meta):
        verbose_name = _("session")  # type: ignore[assignment] # declared as a plain string by Django's stubs
        verbose_name_plural = pgettext_lazy("logins", "sessions")  # type: ignore[assignment]
        default_permissions = ()

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        from config.access.sessions.store import SessionStore  # the store needs this model

        return SessionStore


class TwoFactorDevice(models.Model):
    """The authenticator app of a user, confirmed by a code."""

    user = models.OneToOneField("auth.User", models.CASCADE, related_name="two_factor_device", verbose_name=_("user"))
    secret = EncryptedTextField()
    last_step = models.BigIntegerField(
        help_text="The time step of the last accepted code; no code up to it is accepted again."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Wrong codes since the last correct one.")
    failed_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(_("confirmed at"))

    class Meta:
        verbose_name = _("two-factor device")
        verbose_name_plural = _("two-factor devices")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.user)


class RecoveryCode(models.Model):
    """An unused recovery code of a user; only its keyed hash is stored."""

    user = models.ForeignKey("auth.User", models.CASCADE, related_name="recovery_codes", verbose_name=_("user"))
    code_hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("recovery code")
        verbose_name_plural = _("recovery codes")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "code_hash"], name="access_recovery_code_once")]

    def __str__(self) -> str:
        return str(self.pk)
