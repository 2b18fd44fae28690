"""The lower bound of the cost of a response: a plain Django view and a Django REST framework view that return the bytes of a file.

Granian serves this WSGI application, `benchmarks.serving_floor:application`, as it serves Perennial. There is no middleware.
"""

import os
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse

settings.configure(
    SECRET_KEY="floor",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    INSTALLED_APPS=["rest_framework"],
    REST_FRAMEWORK={
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
)
application = get_wsgi_application()

from django.urls import path  # noqa: E402 — needs the settings
from rest_framework.request import Request  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

BODY = Path(os.environ["FLOOR_BODY"]).read_bytes()


def respond() -> HttpResponse:
    return HttpResponse(BODY, content_type="application/json", headers={"Content-Length": len(BODY)})


def respond_bare(request: HttpRequest) -> HttpResponse:
    return respond()


class FloorView(APIView):
    def get(self, request: Request) -> HttpResponse:
        return respond()


urlpatterns = [path("bare/", respond_bare), path("rest/", FloorView.as_view())]
