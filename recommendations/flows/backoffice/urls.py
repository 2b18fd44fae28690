"""URLs of flows in the back office, below `admin/flows/`."""

from django.contrib import admin
from django.urls import path

from recommendations.flows.backoffice import (
    editor_pages,
    flow_page,
    list_pages,
    people_page,
    results_page,
    state_actions,
)

wrap = admin.site.admin_view

app_name = "flows"
urlpatterns = [
    path("", wrap(list_pages.show_flows), name="list"),
    path("new/", wrap(list_pages.show_new_flow), name="new"),
    path("recipes/", wrap(list_pages.show_recipes), name="recipes"),
    path("recipes/<slug:key>/", wrap(list_pages.show_recipe), name="recipe"),
    path("<int:flow_id>/", wrap(flow_page.show_flow), name="flow"),
    path("<int:flow_id>/people/", wrap(people_page.show_people), name="people"),
    path("<int:flow_id>/people/save/", wrap(people_page.save_people), name="save-people"),
    path("<int:flow_id>/results/", wrap(results_page.show_results), name="results"),
    path("<int:flow_id>/holdout.csv", wrap(results_page.download_held_out), name="holdout"),
    path("<int:flow_id>/test/", wrap(flow_page.show_dry_run), name="dry-run"),
    path("<int:flow_id>/parts/<slug:part>/", wrap(editor_pages.edit_part), name="part"),
    path("<int:flow_id>/parts/<slug:part>/remove/", wrap(editor_pages.remove_part), name="remove-part"),
    path("<int:flow_id>/steps/add/", wrap(editor_pages.add_new_step), name="add-step"),
    path("<int:flow_id>/steps/<slug:key>/", wrap(editor_pages.edit_step), name="step"),
    path("<int:flow_id>/steps/<slug:key>/move/", wrap(editor_pages.move_existing_step), name="move-step"),
    path("<int:flow_id>/steps/<slug:key>/delete/", wrap(editor_pages.delete_existing_step), name="delete-step"),
    path("<int:flow_id>/state/", wrap(state_actions.change_state), name="state"),
]
