"""The result of a question with what a page states about it: its time, how long it took, and whether it is being computed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from customers.analytics.backoffice.access import VIEW_CUSTOMERS
from customers.analytics.backoffice.addresses import format_json, make_question_url
from customers.analytics.backoffice.building.vocabulary_choices import list_segments
from customers.analytics.backoffice.question_pages import QUESTION_PAGES
from customers.analytics.backoffice.results.view import ResultContext, ResultView
from customers.analytics.expressions.parameters import parse_parameters
from customers.analytics.models import Annotation
from customers.analytics.named_days import VIEW_OPTIONS, resolve_days
from customers.analytics.questions.registry import get_question
from customers.analytics.report_segments import check_segments
from customers.analytics.results import ResultState, get_result
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.facts.amounts import get_amount_currency

POLL_FIRST, POLL_AGAIN = "1s", "4s"
MAX_MARKS = 200


@dataclass(frozen=True)
class ShownResult:
    """A result, what the page shows of it, and its address.

    Attributes:
        view: None until there is a result. poll: the time after which the page asks again; empty if nothing is being computed.
    """

    state: ResultState
    view: ResultView | None
    context: ResultContext | None
    content: Mapping[str, Any]
    poll: str

    @property
    def url(self) -> str:
        return make_question_url(self.state.question.key, self.content)

    @property
    def query(self) -> str:
        """The parameters as JSON, for forms."""
        return format_json(self.content)

    @property
    def duration(self) -> str:
        """The seconds that the answer took."""
        seconds = self.state.duration_seconds
        return "" if seconds is None else f"{seconds:.1f}"


def read_parameters(question: str, content: Mapping[str, Any], *, now: datetime) -> Any:
    """Return the parameters of the content of an address, whose segments exist. Raises ParameterError."""
    parameters = parse_content(question, content, now=now)
    check_segments(parameters)
    return parameters


def parse_content(question: str, content: Mapping[str, Any], *, now: datetime) -> Any:
    """Return the parameters of the content of an address. Raises ParameterError."""
    days = resolve_days(content, today=timezone.localdate(now))
    return parse_parameters(get_question(question).parameters, days)


def show_result(
    request: HttpRequest, question: str, content: Mapping[str, Any], *, now: datetime, is_forced: bool = False
) -> ShownResult:
    """Return the result of a question; it is computed in the background if it is not current. Raises ParameterError."""
    parameters = read_parameters(question, content, now=now)
    state = get_result(question=question, parameters=parameters, now=now, is_forced=is_forced)
    view = context = None
    if state.result is not None and state.as_of is not None:
        context = ResultContext(
            question=question,
            parameters=parameters,
            options={name: content[name] for name in VIEW_OPTIONS if name in content},
            as_of=state.as_of,
            with_personal=may_see_personal(request),
            may_list=request.user.has_perm(VIEW_CUSTOMERS),
            segments=list_segments(),
            currency=get_amount_currency(),
            marks=list_marks() if question == "trends" else (),
        )
        view = QUESTION_PAGES[question].show(state.result, context)
    poll = "" if state.pending_id is None else POLL_FIRST if view is None else POLL_AGAIN
    return ShownResult(state, view, context, content, poll)


def list_marks() -> list[tuple[str, str]]:
    """Return the annotations as ISO date and text."""
    rows = Annotation.objects.order_by("-day").values_list("day", "text")[:MAX_MARKS]
    return [(day.isoformat(), text) for day, text in rows]
