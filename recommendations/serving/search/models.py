"""Synonyms, which merchandisers maintain, and what search learns from clicks: queries and weights."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from recommendations.engine.text_search.synonyms import MAX_NAME_TERMS, split_into_atoms

MAX_TERM_LENGTH = 100
MAX_QUERY_TEXT = 200


def validate_words(value: str) -> None:
    """Raise ValidationError for a term that search could never find in a text."""
    if not 0 < len(split_into_atoms(value)) <= MAX_NAME_TERMS:
        raise ValidationError(
            _("%(value)s contains no words; enter one or more, such as mobile phone."),
            params={"value": repr(value)},
        )


class Synonym(models.Model):
    """Words with the same meaning.

    With ``replacements`` the terms find these too, but not the other way round.
    """

    terms = ArrayField(
        models.CharField(max_length=MAX_TERM_LENGTH, validators=[validate_words]),
        verbose_name=_("terms"),
        help_text=_("Search terms, separated by commas, such as tv, television."),
    )
    replacements = ArrayField(
        models.CharField(max_length=MAX_TERM_LENGTH, validators=[validate_words]),
        verbose_name=_("also find"),
        default=list,
        blank=True,
        help_text=_(
            "A search for any of the terms also finds these words, but not the reverse. If empty, all terms "
            "are synonyms of each other."
        ),
    )
    language = models.CharField(
        _("language"),
        max_length=10,
        blank=True,
        help_text=_("A language such as en or zh. Leave empty for all languages."),
    )
    builtin_key = models.CharField(
        _("replaces built-in group"),
        max_length=MAX_TERM_LENGTH,
        blank=True,
        default="",
        editable=False,
        help_text=_("The built-in synonyms that this entry replaces. Delete the entry to restore them."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("synonym")
        verbose_name_plural = _("synonyms")
        ordering = ["terms", "language"]
        constraints = [
            models.UniqueConstraint(fields=["terms", "language"], name="serving_synonym_once"),
            models.CheckConstraint(
                condition=models.Q(terms__len__gte=2) | models.Q(terms__len=1, replacements__len__gte=1),
                name="serving_synonym_says_something",
            ),
        ]

    def __str__(self) -> str:
        arrow = f" → {', '.join(self.replacements)}" if self.replacements else ""
        return f"{', '.join(self.terms)}{arrow}"

    def clean(self) -> None:
        if self.terms is not None and len(self.terms) < 2 and not self.replacements:
            raise ValidationError({"terms": _("A single term has no effect; add another term, or words to also find.")})


class ShopQuery(models.Model):
    """A query after which several people chose products that match it; learned again every night.

    people: how many. Only these queries complete and correct what others type.
    """

    text = models.CharField(_("query"), max_length=MAX_QUERY_TEXT, unique=True)
    people = models.PositiveIntegerField(_("people"))
    learned_at = models.DateTimeField(_("updated at"))

    class Meta:
        verbose_name = _("search query")
        verbose_name_plural = _("search queries")
        ordering = ["-people", "text"]

    def __str__(self) -> str:
        return self.text


class SearchOrder(models.Model):
    """How much popularity and taste count among equal matches, learned from clicks every night; one row, and one that an experiment chose.

    popularity, personal: exponents of their factors, 1 by default. gain: by how much the share of correctly ordered pairs of later pages
    exceeds that of the defaults; is_served: whether its interval is above 0. is_promoted: chosen by an experiment; overrides learning.
    """

    learned_at = models.DateTimeField(_("updated at"))
    pages = models.PositiveIntegerField(_("pages with clicks"), default=0)
    people = models.PositiveIntegerField(_("people"), default=0)
    popularity = models.FloatField(_("popularity"), default=1.0)
    personal = models.FloatField(_("personalization"), default=1.0)
    gain = models.FloatField(_("gain"), null=True)
    gain_low = models.FloatField(_("lower limit of the gain"), null=True)
    gain_high = models.FloatField(_("upper limit of the gain"), null=True)
    is_served = models.BooleanField(_("served"), default=False)
    is_promoted = models.BooleanField(_("promoted from an experiment"), default=False, db_default=False)

    class Meta:
        verbose_name = _("search order")
        verbose_name_plural = _("search order")

    def __str__(self) -> str:
        return f"{localtime(self.learned_at):%Y-%m-%d}"
