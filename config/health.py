"""Health checks for operators and load balancers: is the process alive, and is it ready to serve?"""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from recommendations.serving.state.loader import loader


def report_liveness(request: HttpRequest) -> JsonResponse:
    """Return 200 while the process can handle requests."""
    return JsonResponse({"status": "live"})


def report_readiness(request: HttpRequest) -> JsonResponse:
    """Return 200 if PostgreSQL is reachable and this process has loaded the model, otherwise 503.

    Valkey is reported too, but serving works without it. Recommendations are answered before the model is loaded, with fallbacks.
    """
    checks = {
        "database": is_database_reachable(),
        "recommendations": loader.is_ready,
        "valkey": is_valkey_reachable(),
    }
    is_ready = checks["database"] and checks["recommendations"]
    return JsonResponse({"status": "ready" if is_ready else "not ready", **checks}, status=200 if is_ready else 503)


def is_database_reachable() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def is_valkey_reachable() -> bool:
    try:
        with redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=0.5, socket_connect_timeout=0.5) as valkey:
            return bool(valkey.ping())
    except redis.RedisError:
        return False
