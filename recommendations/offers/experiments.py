"""What experiments can vary here: the texts, links and images of an on-site offer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from psycopg import sql

from recommendations.experiments.clicks import count_clicks_by_variant
from recommendations.experiments.editing import ExperimentNotReadyError
from recommendations.experiments.models import Experiment
from recommendations.experiments.planning import GROUP
from recommendations.experiments.subjects import Config, ExperimentSubject, register_subject
from recommendations.measurement.outcomes.members import Members
from recommendations.measurement.statistics.moments import GroupMoments
from recommendations.offers.decision import clear_offer_cache
from recommendations.offers.models import CONTENT_FIELDS, Offer, OfferContent
from recommendations.offers.variants import KIND, find_offer_name

COPIED = "copied"
LANGUAGES = dict(settings.LANGUAGES)

REACHED = sql.SQL("""
SELECT min(customer_id) AS customer_id, %(group)s AS member_group, min(decided_at) AS since, %(until)s::timestamptz AS until
FROM (
    SELECT COALESCE(e.customer_id, i.customer_id) AS customer_id, e.decided_at, COALESCE({order}) AS person
    FROM offers_offerexposure e
    LEFT JOIN identity_identifier i ON e.customer_id IS NULL AND i.kind = 'anonymous_id' AND i.value = e.anonymous_id
    WHERE e.offer_id = (SELECT id FROM offers_offer WHERE key = %(offer)s) AND e.arm = 'shown'
      AND e.decided_at >= %(since)s AND e.decided_at < %(until)s
) AS shown
WHERE person IS NOT NULL GROUP BY person
""")
CUSTOMER = sql.SQL(
    "e.customer_id::text, i.customer_id::text, NULLIF('anonymous_id:' || e.anonymous_id, 'anonymous_id:')"
)
VISITOR = sql.SQL("NULLIF('anonymous_id:' || e.anonymous_id, 'anonymous_id:'), e.customer_id::text")
# Shows of the offer with a click; each counts once.
CLICKED = sql.SQL("""
SELECT COALESCE(COALESCE(e.customer_id, i.customer_id)::text, 'anonymous_id:' || e.anonymous_id) AS person, e.decided_at AS at
FROM offers_offerexposure e
LEFT JOIN identity_identifier i ON e.customer_id IS NULL AND i.kind = 'anonymous_id' AND i.value = e.anonymous_id
WHERE e.offer_id = (SELECT id FROM offers_offer WHERE key = %(offer)s) AND e.arm = 'shown' AND e.clicked_at < %(until)s
  AND e.decided_at >= %(since)s AND e.decided_at < %(until)s
""")


def register_offer_experiments() -> None:
    """Register on-site offers as something that experiments can vary."""
    register_subject(OFFER_SUBJECT)


class OfferVariantForm(forms.Form):
    """The content of an offer in each language, or that of another offer of the same placement."""

    copied = forms.ChoiceField(
        label=gettext_lazy("Copy the content of another offer"),
        required=False,
        help_text=gettext_lazy("Replaces the texts below when you save. You can edit them afterwards."),
    )

    def __init__(self, offer: Offer | None, data: Mapping[str, Any] | None, changes: Config, prefix: str) -> None:
        super().__init__(data, prefix=prefix)
        self.contents = read_contents(offer) if offer is not None else {}
        self.others = list_other_offers(offer) if offer is not None else {}
        self.fields[COPIED].choices = [  # type: ignore[attr-defined]
            ("", "–"),
            *((key, other.name) for key, other in self.others.items()),
        ]
        for language in LANGUAGES:
            present = {**self.contents.get(language, {}), **changes.get(language, {})}
            for name in CONTENT_FIELDS:
                self.fields[make_name(name, language)] = build_field(name, language, present.get(name, ""))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        copied = self.others.get(values.pop(COPIED, ""))
        for language, content in (read_contents(copied) if copied is not None else {}).items():
            values.update({make_name(name, language): value for name, value in content.items()})
        for language in LANGUAGES:
            texts = {name: values.get(make_name(name, language)) for name in CONTENT_FIELDS}
            is_needed = language in self.contents or any(texts.values())
            if is_needed and not texts["title"] and make_name("title", language) not in self.errors:
                self.add_error(make_name("title", language), _("Enter a title."))
        return values


def make_name(name: str, language: str) -> str:
    """Return the name of the field of a content in a language."""
    return f"{name}_{language.replace('-', '_')}"


def get_model_field(name: str) -> Any:
    return OfferContent._meta.get_field(name)


def make_label(name: str, language: str) -> str:
    """Return what a field of a content is called in the form, such as "Title (English)"."""
    label = capfirst(str(get_model_field(name).verbose_name))
    return _("%(field)s (%(language)s)") % {"field": label, "language": LANGUAGES[language]}


def build_field(name: str, language: str, initial: str) -> forms.Field:
    """Return the field as the page of the offer has it; what is required depends on the language."""
    field: forms.Field = get_model_field(name).formfield()
    field.label, field.initial, field.required = make_label(name, language), initial, False
    return field


def find_offer(key: str) -> Offer | None:
    return Offer.objects.filter(key=key).prefetch_related("contents").first()


def read_contents(offer: Offer) -> dict[str, dict[str, str]]:
    """Return the content of an offer by language."""
    return {
        content.language: {name: getattr(content, name) for name in CONTENT_FIELDS} for content in offer.contents.all()
    }


def list_other_offers(offer: Offer) -> dict[str, Offer]:
    """Return the other offers of the placement that have a content, by key."""
    others = Offer.objects.filter(placement=offer.placement, contents__isnull=False).exclude(pk=offer.pk)
    return {other.key: other for other in others.distinct().order_by("name", "key").prefetch_related("contents")}


def list_offers() -> Sequence[tuple[str, str]]:
    """Return all offers by key, with name and placement."""
    rows = Offer.objects.order_by("name", "key").values_list("key", "name", "placement")
    return [(key, f"{name} ({placement})") for key, name, placement in rows]


def build_offer_form(key: str, data: Mapping[str, Any] | None, config: Config, prefix: str) -> OfferVariantForm:
    """Return the form of a variant, filled with the present content and what the variant changes."""
    return OfferVariantForm(find_offer(key), data, config, prefix)


def read_offer_config(key: str, form: forms.BaseForm) -> dict[str, Any]:
    """Return the fields of a valid form that differ from the present content, by language."""
    offer = find_offer(key)
    present = read_contents(offer) if offer is not None else {}
    config = {}
    for language in LANGUAGES:
        before = present.get(language, {})
        values = {name: form.cleaned_data[make_name(name, language)] for name in CONTENT_FIELDS}
        changed = {name: value for name, value in values.items() if value != before.get(name, "")}
        if changed:
            config[language] = changed
    return config


def describe_offer_config(config: Config) -> list[tuple[str, str]]:
    """Return label and value of each field that a variant changes."""
    return [
        (make_label(name, language), value or "–")
        for language, changed in config.items()
        for name, value in changed.items()
    ]


def promote_offer(key: str, config: Config) -> dict[str, Any]:
    """Write the content of a variant into the offer; return what it was before, None for a language that is new."""
    offer = find_offer(key)
    if offer is None:
        raise ExperimentNotReadyError(_("The offer no longer exists, so nothing can be promoted."))
    present = {content.language: content for content in offer.contents.all()}
    replaced: dict[str, Any] = {}
    for language, changed in config.items():
        content = present.get(language)
        replaced[language] = None if content is None else {name: getattr(content, name) for name in changed}
        write_content(content or OfferContent(offer=offer, language=language), changed)
    clear_offer_cache()
    return replaced


def restore_offer(key: str, replaced: Config) -> None:
    """Write the content from before a promotion into the offer, if both still exist."""
    offer = find_offer(key)
    for content in offer.contents.all() if offer is not None else ():
        if content.language in replaced and replaced[content.language] is None:
            content.delete()
        elif content.language in replaced:
            write_content(content, replaced[content.language])
    clear_offer_cache()


def write_content(content: OfferContent, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        setattr(content, name, value)
    content.save()


def find_offer_traffic(key: str, unit: str, since: datetime, until: datetime) -> Members:
    """Return the customers or visitors to whom the offer was shown, each since the first time."""
    order = CUSTOMER if unit == Experiment.Unit.CUSTOMER else VISITOR
    values = {"group": GROUP, "offer": key, "since": since, "until": until}
    return Members(REACHED.format(order=order), values)


def count_clicked_offers(experiment: Experiment, as_of: datetime) -> Mapping[str, GroupMoments]:
    """Return the moments of the clicks per person, by variant."""
    return count_clicks_by_variant(experiment, CLICKED, {"offer": experiment.subject}, as_of=as_of)


OFFER_SUBJECT = ExperimentSubject(
    kind=KIND,
    label=gettext_lazy("On-site offer"),
    help_text=gettext_lazy(
        "Compare texts, buttons, links and images of one offer, or the content of another offer of the same placement."
    ),
    list_choices=list_offers,
    build_form=build_offer_form,
    read_config=read_offer_config,
    describe_config=describe_offer_config,
    promote=promote_offer,
    restore=restore_offer,
    permission="offers.change_offer",
    scope="campaigns:write",
    needs_permission_to_start=True,
    find_name=find_offer_name,
    find_traffic=find_offer_traffic,
    list_scenarios=lambda _key: (),
    count_clicks=count_clicked_offers,
)
