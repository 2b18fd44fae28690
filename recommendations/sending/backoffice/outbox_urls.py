from django.contrib import admin
from django.urls import path

from recommendations.sending.backoffice import outbox_pages, problem_pages

app_name = "outbox"

own = admin.site.admin_view
urlpatterns = [
    path("", own(outbox_pages.show_outbox), name="list"),
    path("not-sent/", own(problem_pages.show_problems), name="problems"),
    path("not-sent/<int:delivery_id>/", own(problem_pages.show_problem), name="problem"),
    path("not-sent/<int:delivery_id>/again/", own(problem_pages.repeat_problem), name="repeat"),
    path("<int:message_id>/", own(outbox_pages.show_outbox_message), name="message"),
    path("<int:message_id>/html", own(outbox_pages.show_outbox_html), name="html"),
]
