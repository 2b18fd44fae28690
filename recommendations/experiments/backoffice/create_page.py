"""A new experiment: what is varied, for whom, and how success is measured."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from recommendations.experiments.backoffice.access import ADD, may_set_up
from recommendations.experiments.editing import create_draft
from recommendations.experiments.methods.method import ExperimentSetup
from recommendations.experiments.methods.registry import METHODS
from recommendations.experiments.models import MAX_VARIANTS, Experiment
from recommendations.experiments.subjects import ExperimentSubject, list_subjects

SEPARATOR = ":"


class ExperimentForm(forms.ModelForm):
    """The fields that a new experiment needs; its variants are set up on the next page."""

    varied = forms.ChoiceField(label=gettext_lazy("What do you want to vary?"))
    variants = forms.IntegerField(
        label=gettext_lazy("Variants, with the control"), min_value=2, max_value=MAX_VARIANTS, initial=2
    )

    class Meta:
        model = Experiment
        fields = ("name", "metric", "unit", "method", "planned_days")

    field_order = ("name", "varied", "variants", "metric", "unit", "method", "planned_days")

    def __init__(self, *args: Any, subjects: Sequence[ExperimentSubject], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["varied"].choices = list_varied(subjects)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            kind, subject = values["varied"]
            setup = ExperimentSetup(kind, subject, values["metric"], values["variants"])
            for field, problem in METHODS[values["method"]].find_problems(setup).items():
                self.add_error(field, str(problem))
        return values

    def clean_varied(self) -> tuple[str, str]:
        kind, _separator, subject = self.cleaned_data["varied"].partition(SEPARATOR)
        return kind, subject


def list_varied(subjects: Sequence[ExperimentSubject]) -> list[tuple[str, Any]]:
    """Return what can be varied; kinds with a choice are groups, and left out if there is nothing to choose."""
    choices: list[tuple[str, Any]] = []
    for subject in subjects:
        named = subject.list_choices()
        own = [(f"{subject.kind}{SEPARATOR}{name}", label) for name, label in named]
        has_choice = any(name for name, _label in named)
        choices += [(str(subject.label), own)] if has_choice else own
    return choices


def show_new_experiment(request: HttpRequest) -> HttpResponse:
    """Show the form of a new experiment, and create the draft."""
    check_permissions(request, ADD)
    subjects = [subject for subject in list_subjects() if may_set_up(request, subject.kind)]
    form = ExperimentForm(request.POST or None, subjects=subjects, initial={"varied": request.GET.get("varied", "")})
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        kind, subject = values.pop("varied")
        experiment = create_draft(kind=kind, subject=subject, count=values.pop("variants"), **values)
        return HttpResponseRedirect(reverse("experiments:draft", args=[experiment.key]))
    return render_page(
        request,
        "admin/experiments/new.html",
        title=_("New experiment"),
        form=form,
        subjects=subjects,
        methods=[(Experiment.Method(method.key).label, method.help_text) for method in METHODS.values()],
        status=422 if form.is_bound else None,
    )
