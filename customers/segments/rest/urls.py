"""REST routes of segments, under ``/api/v1/``."""

from django.urls import path

from customers.segments.rest import api

urlpatterns = [
    path("segments/", api.SegmentList.as_view(), name="segments"),
    path("segments/fields/", api.SegmentFields.as_view(), name="segment-fields"),
    path("segments/preview/", api.SegmentPreview.as_view(), name="segment-preview"),
    path("segments/<slug:key>/", api.SegmentDetail.as_view(), name="segment"),
    path("segments/<slug:key>/members/", api.SegmentMembers.as_view(), name="segment-members"),
    path("segments/<slug:key>/history/", api.SegmentHistory.as_view(), name="segment-history"),
    path("segments/<slug:key>/entered/", api.SegmentEntries.as_view(), name="segment-entries"),
    path("segments/<slug:key>/left/", api.SegmentExits.as_view(), name="segment-exits"),
    path("segments/<slug:key>/overlap/", api.SegmentOverlapView.as_view(), name="segment-overlap"),
    path("customers/<path:user_id>/segments/", api.CustomerSegments.as_view(), name="customer-segments"),
    path(
        "customers/<path:user_id>/segments/<slug:key>/",
        api.CustomerSegmentExplanation.as_view(),
        name="customer-segment-explanation",
    ),
]
