"""Serves the files of `perennial.js` to the pages of every shop."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from config.onsite.bundle import find_file, get_bundle

FOREVER = "public, max-age=31536000, immutable"
SHORT = (
    "public, max-age=300, stale-while-revalidate=86400"  # in seconds: how long pages may still run the previous version
)


@require_safe
def show_script(request: HttpRequest, name: str) -> HttpResponse:
    """Return the current core or module, or the file of any version by its hashed name."""
    bundle = get_bundle()
    current = {"perennial.js": bundle.core, "perennial.mjs": bundle.module}
    file = current.get(name) or find_file(name)
    if file is None:
        raise Http404("The script has no such file.")
    response = HttpResponse(file.content, content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = SHORT if name in current else FOREVER
    # the file is the same for everyone, and modules and integrity hashes need CORS
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
