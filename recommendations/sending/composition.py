"""Turns decided deliveries into messages: chooses products and coupons, and renders the template for each customer."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DatabaseError

from recommendations.messaging import rendering
from recommendations.messaging.mjml.problems import SourceError
from recommendations.messaging.models import TemplateVersion
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.checks.candidates import DueDelivery
from recommendations.sending.recording import MAX_ERROR
from recommendations.sending.tracking.browser_view import build_links
from recommendations.sending.tracking.origin_keys import find_origin_keys

logger = logging.getLogger(__name__)


@dataclass
class Composition:
    """The messages of a chunk, what was chosen for each, and the deliveries without a message: id to (status, reason, error)."""

    messages: list[OutgoingMessage] = field(default_factory=list)
    choices: dict[int, dict[str, Any]] = field(default_factory=dict)
    problems: dict[int, tuple[str, str, str]] = field(default_factory=dict)


def compose(candidates: Sequence[DueDelivery], *, now: datetime) -> Composition:
    """Compose the messages of candidates that are to be sent."""
    composition = Composition()
    for version_id, group in group_by_template(candidates):
        compose_group(group, version_id=version_id, composition=composition, now=now)
    return composition


def group_by_template(candidates: Sequence[DueDelivery]) -> Iterator[tuple[int, list[DueDelivery]]]:
    """Yield the candidates by template version, in groups in which a customer occurs once."""
    groups: dict[tuple[int, int], list[DueDelivery]] = defaultdict(list)
    occurrences: dict[tuple[int, int], int] = defaultdict(int)
    for candidate in candidates:
        key = (candidate.template_version_id, candidate.customer_id)
        groups[candidate.template_version_id, occurrences[key]].append(candidate)
        occurrences[key] += 1
    for (version_id, _occurrence), group in groups.items():
        yield version_id, group


def compose_group(
    candidates: Sequence[DueDelivery], *, version_id: int, composition: Composition, now: datetime
) -> None:
    """Compose the messages of one template version; each customer occurs once."""
    try:
        compiled = rendering.get_compiled(version_id)
    except (SourceError, TemplateVersion.DoesNotExist) as error:
        for candidate in candidates:
            note_failure(candidate, error, composition=composition)
        return
    recipients = rendering.load_recipients(
        [candidate.customer_id for candidate in candidates],
        fields=compiled.fields,
        events={candidate.customer_id: candidate.event for candidate in candidates},
        as_of=now,
    )
    deliveries = {candidate.customer_id: candidate.id for candidate in candidates}
    choices = rendering.choose(compiled, recipients, now=now, deliveries=deliveries)
    keys = find_origin_keys((candidate.origin_kind, candidate.origin_id) for candidate in candidates)
    for candidate in candidates:
        recipient = recipients.get(candidate.customer_id)
        chosen = choices.get(candidate.customer_id)
        if recipient is None or chosen is None or chosen.skip_reason:
            reason = chosen.skip_reason if recipient is not None and chosen is not None else "no_content"
            composition.problems[candidate.id] = ("skipped", reason, "")
            continue
        key = keys.get((candidate.origin_kind, candidate.origin_id), "")
        try:
            message = render_message(candidate, compiled, recipient=recipient, choices=chosen, key=key)
        except DatabaseError:
            raise  # not because of this message: all of them are tried again
        except Exception as error:  # noqa: BLE001 — one message that cannot be rendered must not stop all others
            note_failure(candidate, error, composition=composition)
            continue
        composition.choices[candidate.id] = {"language": message.language, **chosen.to_json()}
        composition.messages.append(message)


def render_message(
    candidate: DueDelivery,
    compiled: rendering.CompiledTemplate,
    *,
    recipient: rendering.Recipient,
    choices: rendering.MessageChoices,
    key: str,
) -> OutgoingMessage:
    """Return the message of a candidate. key: of its campaign or flow."""
    links = build_links(candidate.id, candidate.channel, candidate.template_version_id, key)
    language = compiled.choose_language(recipient.language)
    rendered = compiled.render(recipient=recipient, choices=choices, links=links, language=language)
    return OutgoingMessage(
        delivery_id=candidate.id,
        attempt=candidate.attempts + 1,
        customer_id=candidate.customer_id,
        origin_kind=candidate.origin_kind,
        origin_id=candidate.origin_id,
        channel=candidate.channel,
        recipient=candidate.address,
        language=language,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        is_transactional=candidate.is_transactional,
        links={"unsubscribe": links.unsubscribe(), "open": links.view_in_browser()},
        fields={"user_id": recipient.user_id},
    )


def note_failure(candidate: DueDelivery, error: Exception, *, composition: Composition) -> None:
    """Let the delivery of a message that cannot be rendered fail with the error."""
    kind = type(error).__name__
    logger.warning("The message of delivery %d cannot be rendered: %s", candidate.id, kind)
    composition.problems[candidate.id] = ("failed", "", f"{kind}: {error}"[:MAX_ERROR])
