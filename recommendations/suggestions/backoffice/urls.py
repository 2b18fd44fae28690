from django.contrib import admin
from django.urls import path

from recommendations.suggestions.backoffice import actions, page

app_name = "suggestions"

own = admin.site.admin_view
urlpatterns = [
    path("", own(page.show_suggestions), name="list"),
    path("decisions/<int:decision_id>/reopen/", own(actions.reopen), name="reopen"),
    path("<slug:kind>/<slug:key>/accept/", own(actions.accept), name="accept"),
    path("<slug:kind>/<slug:key>/dismiss/", own(actions.dismiss), name="dismiss"),
]
