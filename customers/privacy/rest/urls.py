"""REST routes of privacy requests, under ``/api/v1/``."""

from django.urls import path

from customers.privacy.rest import api

urlpatterns = [
    path("privacy/requests/", api.PrivacyRequestList.as_view(), name="privacy-requests"),
    path("privacy/requests/<uuid:reference>/", api.PrivacyRequestDetail.as_view(), name="privacy-request"),
    path("privacy/requests/<uuid:reference>/receipt/", api.PrivacyRequestReceipt.as_view(), name="privacy-receipt"),
    path("privacy/requests/<uuid:reference>/file/", api.PrivacyRequestFile.as_view(), name="privacy-file"),
    path("privacy/requests/<uuid:reference>/cancel/", api.PrivacyRequestCancel.as_view(), name="privacy-cancel"),
    path("privacy/links/", api.PrivacyLinkView.as_view(), name="privacy-links"),
]
