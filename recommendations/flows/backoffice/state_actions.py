"""Changes of a flow's state: publish, pause, resume, end, duplicate, delete, and discard the draft."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from config.foundation.number_formats import join_sentences
from recommendations.flows.backoffice.access import ADD, CHANGE, DELETE, get_flow, get_user
from recommendations.flows.definition_checks import DefinitionError
from recommendations.flows.models import Flow
from recommendations.flows.problem_messages import describe_problem
from recommendations.flows.publishing import (
    FlowStateError,
    delete_draft_flow,
    discard_draft,
    duplicate_flow,
    end_flow,
    pause_flow,
    publish_flow,
    resume_flow,
)


@require_POST
def change_state(request: HttpRequest, flow_id: int) -> HttpResponse:
    """Do what ``action`` says, and return to the flow with a message."""
    action = request.POST.get("action", "")
    flow = get_flow(request, flow_id, {"duplicate": ADD, "delete": DELETE}.get(action, CHANGE))
    now = timezone.now()
    try:
        match action:
            case "publish":
                version = publish_flow(flow=flow, now=now)
                text = _("Version %(number)d is live. Customers who are already in the flow finish on their version.")
                messages.success(request, text % {"number": version.number})
            case "pause":
                held = pause_flow(flow=flow)
                messages.success(request, join_sentences([_("The flow is paused."), describe_held(held)]))
            case "resume":
                resume_flow(flow=flow, now=now)
                messages.success(request, _("The flow is live again."))
            case "end" | "end-now":
                canceled = end_flow(flow=flow, now=now, removes_people=action == "end-now")
                messages.success(request, join_sentences([describe_end(flow), describe_canceled(canceled)]))
            case "discard":
                discard_draft(flow=flow)
                messages.success(request, _("The draft was discarded."))
            case "delete":
                delete_draft_flow(flow=flow)
                messages.success(request, _("The flow was deleted."))
                return HttpResponseRedirect(reverse("flows:list"))
            case "duplicate":
                flow = duplicate_flow(flow=flow, name=_("Copy of %(name)s") % {"name": flow.name}, by=get_user(request))
            case _:
                raise Http404
    except FlowStateError as error:
        messages.error(request, str(error))
    except DefinitionError as error:
        for problem in error.problems:
            messages.error(request, describe_problem(problem))
    return HttpResponseRedirect(reverse("flows:flow", args=[flow.pk]))


def describe_held(number: int) -> str:
    """Return what happens to the queued messages of a paused flow; empty without any."""
    text = ngettext(
        "%(count)s queued message is held until you resume it.",
        "%(count)s queued messages are held until you resume it.",
        number,
    )
    return text % {"count": number_format(number, force_grouping=True)} if number else ""


def describe_canceled(number: int) -> str:
    text = ngettext("%(count)s queued message was canceled.", "%(count)s queued messages were canceled.", number)
    return text % {"count": number_format(number, force_grouping=True)} if number else ""


def describe_end(flow: Flow) -> str:
    if flow.status == Flow.Status.ENDED:
        return _("The flow has ended.")
    return _("No new customers enter. The flow ends when the customers in it have finished.")
