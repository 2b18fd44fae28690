"""REST routes of analytics, under ``/api/v1/``."""

from django.urls import path

from customers.analytics.rest import api

urlpatterns = [
    path("analytics/queries/", api.QueryList.as_view(), name="analytics-queries"),
    path("analytics/queries/<str:query_id>/", api.QueryDetail.as_view(), name="analytics-query"),
    path("analytics/queries/<str:query_id>/people/", api.QueryPeople.as_view(), name="analytics-query-people"),
    path("analytics/reports/", api.ReportList.as_view(), name="analytics-reports"),
    path("analytics/reports/<int:pk>/", api.ReportDetail.as_view(), name="analytics-report"),
    path("analytics/dashboards/", api.DashboardList.as_view(), name="analytics-dashboards"),
    path("analytics/dashboards/<int:pk>/", api.DashboardDetail.as_view(), name="analytics-dashboard"),
]
