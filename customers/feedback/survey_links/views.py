"""The public page of a survey link. Opening it stores nothing, because mail programs open links automatically; only its button stores the answer."""

from contextlib import nullcontext
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from config.foundation.http.client_address import get_client_address
from config.foundation.shop.profile import get_shop
from customers.feedback.models import SurveyAnswer
from customers.feedback.survey_links.answers import (
    MAX_COMMENT_LENGTH,
    InvalidAnswerError,
    load_answer,
    record_link_answer,
)
from customers.feedback.survey_links.links import SCORES, InvalidSurveyLinkError, SurveyLink, read_survey_link
from customers.subscriptions.limits import compute_limit_wait, is_client_limited


# the signed link is the proof; as the page sends no referrer, browsers post `Origin: null`, which Django's check refuses
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show_survey(request: HttpRequest, token: str) -> HttpResponse:
    """Ask the question of a link, or store the answer."""
    now = timezone.now()
    try:
        link = read_survey_link(token, now=now)
        with override(link.language) if link.language in dict(settings.LANGUAGES) else nullcontext():
            return respond(request, link)
    except InvalidSurveyLinkError:
        return render_survey(request, {"state": "invalid"}, status=410)


def respond(request: HttpRequest, link: SurveyLink) -> HttpResponse:
    now = timezone.now()
    if request.method == "POST":
        if is_client_limited(f"survey:{get_client_address(request.META)}", seconds=now.timestamp()):
            limited = render_survey(request, {"state": "limited"}, status=429)
            limited["Retry-After"] = str(compute_limit_wait(seconds=now.timestamp()))
            return limited
        score, comment = request.POST.get("score", ""), request.POST.get("comment", "")
        try:
            record_link_answer(link=link, score=score, comment=comment, now=now)
        except InvalidAnswerError:
            return render_survey(request, build_form(link, None, comment, error=_("Please choose a number.")), 400)
        return render_survey(request, {"state": "answered"})
    answer = load_answer(link)
    suggested = request.GET.get("score", "")  # the number that was clicked in the email; only the button stores it
    valid = {str(value): value for value in SCORES[link.kind]}
    return render_survey(request, build_form(link, valid.get(suggested, answer.score), answer.comment))


def build_form(link: SurveyLink, score: int | None, comment: str, *, error: str = "") -> dict[str, Any]:
    shop = get_shop().name
    if link.kind == SurveyAnswer.Kind.NPS:
        question = _("How likely are you to recommend %(shop)s to a friend?") % {"shop": shop}
        low, high = _("not at all likely"), _("extremely likely")
    else:
        question = _("How satisfied are you with your order from %(shop)s?") % {"shop": shop}
        low, high = _("very dissatisfied"), _("very satisfied")
    return {
        "state": "asked",
        "question": question,
        "low": low,
        "high": high,
        "scores": SCORES[link.kind],
        "score": score,
        "comment": comment,
        "max_length": MAX_COMMENT_LENGTH,
        "error": error,
    }


def render_survey(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    response = render(request, "feedback/survey.html", context | {"shop_name": get_shop().name}, status=status)
    response["Referrer-Policy"] = "no-referrer"
    return response
