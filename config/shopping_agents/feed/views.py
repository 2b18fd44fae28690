"""Serves the files of the product feed, with ETag and Last-Modified, so that an agent fetches only what has changed."""

from email.utils import formatdate
from functools import cache
from pathlib import Path

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from config.foundation.files.mirrored_file import MirroredFile
from config.shopping_agents.feed.building import METADATA, PRODUCTS, get_feed_folder, mirror_feed
from config.shopping_agents.public_access import TooManyRequestsError, count_request, require_published
from customers.events.models import AgentActivity

CONTENT_TYPES = {PRODUCTS: "application/gzip", METADATA: "application/json"}
CACHE = "public, max-age=300"


@require_safe
def show_feed_file(request: HttpRequest, name: str) -> HttpResponseBase:
    """Send a file of the feed."""
    try:
        require_published(request)
    except TooManyRequestsError as error:
        return HttpResponse(
            str(error), status=429, headers={"Retry-After": str(error.seconds)}, content_type="text/plain"
        )
    if name not in CONTENT_TYPES:
        raise Http404(f"The feed has no file {name}; its files are {', '.join(CONTENT_TYPES)}.")
    count_request(request, action=AgentActivity.Action.FEED, page=name, at=timezone.now())
    mirror = get_mirror(name)
    mirror.update()
    return send_file(request, mirror.path)


@cache
def find_mirror(name: str, folder: Path) -> MirroredFile:
    """Return the shared file, cached per process because it remembers its last check; and per folder, because tests use several."""
    return mirror_feed(name)


def get_mirror(name: str) -> MirroredFile:
    return find_mirror(name, get_feed_folder())


def send_file(request: HttpRequest, path: Path) -> HttpResponseBase:
    """Send a file, or 304 if the client has this version."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise Http404("The feed is being built; fetch it again in some minutes.") from error
    status = path.stat()
    etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    response: HttpResponseBase = FileResponse(file, content_type=CONTENT_TYPES[path.name])
    response["ETag"] = etag
    response["Last-Modified"] = formatdate(status.st_mtime, usegmt=True)
    response["Cache-Control"] = CACHE
    if (unchanged := get_conditional_response(request, etag, int(status.st_mtime), response)) is not response:  # type: ignore[arg-type]
        file.close()
        return unchanged  # type: ignore[return-value]
    return response
