"""REST routes of sending, under ``/api/v1/``."""

from django.urls import path

from recommendations.sending.rest import deliveries_api, holdout_api, push_api, suppressions_api

urlpatterns = [
    path("deliveries/", deliveries_api.DeliveryList.as_view(), name="deliveries"),
    path("deliveries/<int:pk>/", deliveries_api.DeliveryDetail.as_view(), name="delivery"),
    path("global-holdout/", holdout_api.HoldoutReportView.as_view(), name="global-holdout"),
    path("recommendation-holdout/", holdout_api.RecommendationReportView.as_view(), name="recommendation-holdout"),
    path("suppressions/", suppressions_api.SuppressionEntries.as_view(), name="suppressions"),
    path("suppressions/remove/", suppressions_api.SuppressionRemoval.as_view(), name="suppressions-remove"),
    path("push-subscriptions/", push_api.PushSubscriptions.as_view(), name="push-subscriptions"),
    path("push-subscriptions/public-key/", push_api.PushPublicKey.as_view(), name="push-public-key"),
    path("push-subscriptions/remove/", push_api.PushRemoval.as_view(), name="push-subscriptions-remove"),
]
