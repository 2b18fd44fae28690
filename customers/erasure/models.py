"""Erasures: who is erased, how far the erasure is, and whether it was proven. What identifies the people is encrypted and deleted after the proof."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from config.foundation.personal_data.registry import find_store
from customers.identity.personal_data.encrypted_field import EncryptedTextField


class ErasureRun(models.Model):
    """One erasure of one or many customers, in steps that can be repeated.

    Attributes:
        customers: how many were erased. effective_at: from then on they are not recognized, and nothing new is stored about them.
        attempts: how often the steps were started; a killed or failed run is resumed. error: of the last attempt; of a finished run, what
            it could not do outside the database, such as recording the erasure next to a backup.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting")
        RUNNING = "running", _("erasing")
        DONE = "done", _("erased, verification pending")
        PROVEN = "proven", _("erased and verified")
        TRACES = "traces", _("traces found")

    requested_by = models.CharField(_("requested by"), max_length=150)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    customers = models.PositiveIntegerField(_("customers"), default=0)
    created_at = models.DateTimeField(_("requested at"), auto_now_add=True)
    effective_at = models.DateTimeField(_("effective at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("erased at"), null=True, blank=True)
    proven_at = models.DateTimeField(_("verified at"), null=True, blank=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    error = models.TextField(_("error"), blank=True, default="")
    findings = models.JSONField(_("verification findings"), default=list, blank=True)

    class Meta:
        default_permissions = ("view",)
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        ordering = ["-id"]
        indexes = [models.Index(fields=["status", "id"], name="erasure_run_status")]

    def __str__(self) -> str:
        count = ngettext("%(count)d customer", "%(count)d customers", self.customers) % {"count": self.customers}
        return f"#{self.pk}: {count}"

    @property
    def is_finished(self) -> bool:
        """Whether everything is erased."""
        return self.finished_at is not None

    @property
    def progress(self) -> tuple[int, int]:
        """The number of steps that are done, and of all steps."""
        steps = list(self.steps.values_list("status", flat=True))
        return sum(status == ErasureStep.Status.DONE for status in steps), len(steps)

    @property
    def percent(self) -> int:
        """The progress as a percentage."""
        done, total = self.progress
        return 100 if self.is_finished else 100 * done // total if total else 0


class ErasureStep(models.Model):
    """What one store of personal data erased in a run."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DONE = "done", _("done")
        FAILED = "failed", _("failed, will be retried")

    run = models.ForeignKey(ErasureRun, models.CASCADE, related_name="steps", verbose_name=_("erasure"))
    position = models.PositiveSmallIntegerField(_("position"))
    store = models.CharField(_("store"), max_length=60)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.WAITING)
    changed = models.PositiveBigIntegerField(_("erased records"), default=0)
    seconds = models.FloatField(_("duration in seconds"), default=0)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True, default="")

    class Meta:
        default_permissions = ()
        verbose_name = _("step of an erasure")
        verbose_name_plural = _("steps of erasures")
        ordering = ["run", "position"]
        constraints = [models.UniqueConstraint(fields=["run", "store"], name="erasure_step_once")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.store}"

    @property
    def label(self) -> str:
        """What the store holds, in the current language."""
        store = find_store(self.store)
        return str(store.label) if store else self.store

    @property
    def kept_data(self) -> str:
        """What stays of it, and why; empty if nothing does."""
        store = find_store(self.store)
        return str(store.kept) if store else ""


class ErasedPerson(models.Model):
    """A person whom a run erases, kept until the proof: everything that identifies the person, encrypted.

    Attributes:
        customer_id: before the erasure. content: empty until the person is locked and described; then `Person.to_json`.
    """

    run = models.ForeignKey(ErasureRun, models.CASCADE, related_name="people", verbose_name=_("erasure"))
    customer_id = models.BigIntegerField(_("customer number"))
    content = EncryptedTextField(_("person"), blank=True, default="")

    class Meta:
        default_permissions = ()
        verbose_name = _("erased person")
        verbose_name_plural = _("erased people")
        constraints = [models.UniqueConstraint(fields=["run", "customer_id"], name="erasure_person_once")]
        indexes = [models.Index(fields=["customer_id"], name="erasure_person_customer")]

    def __str__(self) -> str:
        return f"#{self.pk}"


class ModelFlag(models.Model):
    """A fitted model that learned from an erased person; the next training replaces it."""

    run = models.ForeignKey(ErasureRun, models.CASCADE, related_name="model_flags", verbose_name=_("erasure"))
    model = models.CharField(_("model type"), max_length=60)
    object_id = models.BigIntegerField(_("version"))
    flagged_at = models.DateTimeField(_("flagged at"))

    class Meta:
        default_permissions = ()
        verbose_name = _("model with an erased person")
        verbose_name_plural = _("models with erased people")
        constraints = [models.UniqueConstraint(fields=["run", "model", "object_id"], name="erasure_flag_once")]

    def __str__(self) -> str:
        return f"{self.model} #{self.object_id}"
