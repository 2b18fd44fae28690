from django.contrib import admin
from django.urls import path

from recommendations.experiments.backoffice import actions, create_page, draft_page, list_page, result_page

app_name = "experiments"

own = admin.site.admin_view
urlpatterns = [
    path("", own(list_page.show_experiments), name="list"),
    path("new/", own(create_page.show_new_experiment), name="new"),
    path("<slug:key>/", own(result_page.show_experiment), name="experiment"),
    path("<slug:key>/setup/", own(draft_page.show_draft), name="draft"),
    path("<slug:key>/stop/", own(actions.stop), name="stop"),
    path("<slug:key>/promote/", own(actions.promote), name="promote"),
    path("<slug:key>/undo/", own(actions.undo), name="undo"),
    path("<slug:key>/archive/", own(actions.archive), name="archive"),
    path("<slug:key>/delete/", own(actions.delete), name="delete"),
]
