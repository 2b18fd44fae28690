"""The answer to a survey link: one per link, which can be changed until the link expires."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from customers.feedback.field_cleaning import MAX_TEXT_LENGTH
from customers.feedback.models import SurveyAnswer
from customers.feedback.signals import feedback_received
from customers.feedback.survey_links.links import SCORES, InvalidSurveyLinkError, SurveyLink
from customers.identity.merging.merge import MergeError
from customers.identity.merging.transfers import find_present_customer
from customers.identity.models import Customer
from customers.orders.models import Order

MAX_COMMENT_LENGTH = 2_000


class InvalidAnswerError(ValueError):
    """No score, or one that the survey does not have."""


@dataclass(frozen=True)
class GivenAnswer:
    """The answer that a link has so far; score None without one."""

    score: int | None
    comment: str


def load_answer(link: SurveyLink) -> GivenAnswer:
    """Return the answer of a link. Raises InvalidSurveyLinkError for a customer who was erased."""
    find_respondent(link)
    answer = SurveyAnswer.objects.filter(link_id=link.link_id).first()
    return GivenAnswer(answer.score, answer.comment) if answer else GivenAnswer(None, "")


def record_link_answer(*, link: SurveyLink, score: str, comment: str, now: datetime) -> None:
    """Store or replace the answer of a link.

    Raises:
        InvalidAnswerError: the survey does not have this score.
        InvalidSurveyLinkError: the customer was erased.
    """
    valid = {str(value): value for value in SCORES[link.kind]}
    if score not in valid:
        raise InvalidAnswerError(score)
    customer_id = find_respondent(link)
    order = None
    if link.order_id and customer_id:
        order = Order.objects.filter(order_id=link.order_id, customer_id=customer_id).order_by("id").first()
    cleaned = comment.replace("\x00", "").replace("\r\n", "\n").strip()[: min(MAX_COMMENT_LENGTH, MAX_TEXT_LENGTH)]
    with transaction.atomic():
        SurveyAnswer.objects.update_or_create(
            link_id=link.link_id,
            defaults={
                "kind": link.kind,
                "score": valid[score],
                "comment": cleaned,
                "answered_at": now,
                "customer_id": customer_id,
                "order": order,
            },
        )
        if customer_id is not None:
            feedback_received.send(SurveyAnswer, customer_ids=[customer_id])


def find_respondent(link: SurveyLink) -> int | None:
    """Return the customer of a link, or the one into whom they were merged since; None for an anonymous link."""
    if link.customer_id is None:
        return None
    try:
        customer_id = find_present_customer(link.customer_id)
    except MergeError as error:
        raise InvalidSurveyLinkError from error
    if not Customer.objects.filter(pk=customer_id, erased_at=None).exists():
        raise InvalidSurveyLinkError
    return customer_id
