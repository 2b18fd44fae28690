"""REST routes of on-site offers, under ``/api/v1/``."""

from django.urls import path

from recommendations.offers.rest import api

urlpatterns = [
    path("customers/<path:user_id>/offers/", api.CustomerOfferView.as_view(), name="customer-offer"),
    path("visitors/<path:anonymous_id>/offers/", api.VisitorOfferView.as_view(), name="visitor-offer"),
    path("offers/", api.OfferList.as_view(), name="offers"),
    path("offers/exposures/<uuid:exposure_id>/", api.OfferReactionView.as_view(), name="offer-reaction"),
    path("offers/<slug:key>/", api.OfferDetail.as_view(), name="offer"),
    path("offers/<slug:key>/start/", api.OfferStart.as_view(), name="offer-start"),
    path("offers/<slug:key>/pause/", api.OfferPause.as_view(), name="offer-pause"),
    path("offers/<slug:key>/results/", api.OfferResultsView.as_view(), name="offer-results"),
]
