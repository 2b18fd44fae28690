from django.contrib import admin
from django.urls import path

from recommendations.offers.backoffice import pages

app_name = "onsite_offers"

own = admin.site.admin_view
urlpatterns = [
    path("", own(pages.show_offers), name="list"),
    path("<int:offer_id>/", own(pages.show_one_offer), name="offer"),
    path("<int:offer_id>/start/", own(pages.start), name="start"),
    path("<int:offer_id>/pause/", own(pages.pause), name="pause"),
]
