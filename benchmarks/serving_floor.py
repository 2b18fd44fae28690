"""What an answer costs at least: a Django view without middleware and a view of Django REST framework that give out bytes from a file.

A WSGI application of its own, which Granian serves as it serves Perennial: `benchmarks.serving_floor:application`.
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


def answer() -> HttpResponse:
    return HttpResponse(BODY, content_type="application/json", headers={"Content-Length": len(BODY)})


def bare(request: HttpRequest) -> HttpResponse:
    return answer()


class Rest(APIView):
    def get(self, request: Request) -> HttpResponse:
        return answer()


urlpatterns = [path("bare/", bare), path("rest/", Rest.as_view())]
