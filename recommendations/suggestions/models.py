"""Decisions on suggestions."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

MAX_NOTE = 1_000


class SuggestionDecision(models.Model):
    """A suggestion that someone accepted or dismissed, as it was at that moment.

    Attributes:
        kind, key: of the suggestion, such as "campaign" and "at-risk". headline: what the user read.
        figures: the numbers behind it. created_id: of the draft that was made, in the table of its kind.
        withdrawn_at: when a dismissal was withdrawn; it no longer counts.
    """

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", _("accepted")
        DISMISSED = "dismissed", _("dismissed")

    class Reason(models.TextChoices):
        NOT_NOW = "not_now", _("not now")
        DONE_ALREADY = "done_already", _("we do this already")
        TOO_MANY_MESSAGES = "too_many_messages", _("these customers get enough messages")
        NOT_RELEVANT = "not_relevant", _("does not fit our shop")
        NO_EFFECT = "no_effect", _("I expect no effect")
        OTHER = "other", _("another reason")

    kind = models.CharField(_("kind"), max_length=20)
    key = models.CharField(_("key"), max_length=100)
    outcome = models.CharField(_("decision"), max_length=10, choices=Outcome)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason, blank=True)
    note = models.TextField(_("note"), max_length=MAX_NOTE, blank=True)
    headline = models.CharField(_("suggestion"), max_length=300)
    expectation = models.CharField(_("expected"), max_length=500, blank=True)
    figures = models.JSONField(_("figures"), default=dict)
    decided_at = models.DateTimeField(_("decided at"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("decided by")
    )
    created_id = models.BigIntegerField(_("number of the draft"), null=True)
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True)

    class Meta:
        verbose_name = _("decision on a suggestion")
        verbose_name_plural = _("decisions on suggestions")
        ordering = ["-decided_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="accepted", reason="") | (Q(outcome="dismissed") & ~Q(reason="")),
                name="suggestions_dismissal_has_reason",
            )
        ]
        indexes = [models.Index(fields=["kind", "key", "-decided_at"], name="suggestions_decision_of")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}: {self.outcome}"
