"""The answer of a language model to a question, if the operator has chosen one; it is asked only when a user clicks."""

from dataclasses import replace

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from config.assistant.ask.understanding import MAX_CHARACTERS
from config.assistant.backoffice.page import VIEW, make_ask_url, make_caller
from config.assistant.model.client import is_configured
from config.assistant.model.loop import ask_model
from config.foundation.backoffice.pages import render_page

WAIT_SECONDS = 8.0


@require_POST
@permission_required(VIEW, raise_exception=True)
def show_model_answer(request: HttpRequest) -> HttpResponse:
    """Let the model answer, and show which tools it used."""
    question = " ".join(request.POST.get("q", "").split())[:MAX_CHARACTERS]
    if not is_configured() or not question:
        raise Http404
    answer = ask_model(question, replace(make_caller(request), wait_seconds=WAIT_SECONDS))
    return render_page(
        request,
        "admin/assistant/model_answer.html",
        title=_("Ask"),
        question=question,
        answer=answer,
        unproven=", ".join(answer.unproven),
        ask_url=make_ask_url(q=question),
    )
