"""URLs of Analytics in the back office, below `admin/analytics/`."""

from functools import partial, update_wrapper

from django.contrib import admin
from django.urls import URLPattern, path

from customers.analytics.backoffice import question_page
from customers.analytics.backoffice.people import people_page
from customers.analytics.backoffice.question_pages import QUESTION_PAGES
from customers.analytics.backoffice.reports import actions, overview_page

wrap = admin.site.admin_view


def make_people_path(question: str, tab: str) -> URLPattern:
    """Return the URL of the people of a question, below its page."""
    view = update_wrapper(partial(people_page.show_people, question=question), people_page.show_people)
    return path(f"{tab}/people/", wrap(view), name=f"{question}-people")


def make_question_path(question: str, tab: str) -> URLPattern:
    """Return the URL of a question's page, named like the question."""
    view = update_wrapper(partial(question_page.show_question, question=question), question_page.show_question)
    return path(f"{tab}/", wrap(view), name=question)


app_name = "analytics"
urlpatterns = [
    path("", wrap(overview_page.show_overview), name="overview"),
    *(make_question_path(page.question, page.tab) for page in QUESTION_PAGES.values()),
    *(make_people_path(page.question, page.tab) for page in QUESTION_PAGES.values()),
    path("dashboards/new/", wrap(actions.create_dashboard), name="create-dashboard"),
    path("dashboards/weekly/", wrap(actions.create_weekly_dashboard), name="create-weekly-dashboard"),
    path("dashboards/<int:pk>/", wrap(overview_page.show_dashboard), name="dashboard"),
    path("dashboards/<int:pk>/change/", wrap(actions.change_dashboard), name="change-dashboard"),
    path("dashboards/<int:pk>/delete/", wrap(actions.delete_dashboard), name="delete-dashboard"),
    path("reports/<int:pk>/card/", wrap(overview_page.show_report_card), name="report-card"),
    path("reports/<int:pk>/change/", wrap(actions.change_report), name="change-report"),
    path("reports/<int:pk>/delete/", wrap(actions.delete_report), name="delete-report"),
    path("annotations/new/", wrap(actions.add_annotation), name="add-annotation"),
    path("annotations/<int:pk>/delete/", wrap(actions.delete_annotation), name="delete-annotation"),
    path("questions/<slug:question>/people/", wrap(people_page.show_people), name="people"),
    path("questions/<slug:question>/save/", wrap(actions.save_report), name="save-report"),
    path("questions/<slug:question>/computation/", wrap(question_page.change_computation), name="computation"),
    path("questions/<slug:question>/export.csv", wrap(question_page.download_csv), name="csv"),
]
