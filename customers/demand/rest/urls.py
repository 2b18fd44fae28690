"""REST routes of demand, under ``/api/v1/``."""

from django.urls import path

from customers.demand.rest import api

urlpatterns = [
    path("demand/restock/", api.RestockList.as_view(), name="demand-restock"),
    path("demand/forecasts/", api.ForecastList.as_view(), name="demand-forecasts"),
]
