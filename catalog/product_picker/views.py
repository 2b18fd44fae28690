"""The requests of the product picker: options for a search text, and rows for IDs."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_http_methods

from catalog.product_picker.queries import (
    MAX_ROWS,
    describe_products,
    find_picker_products,
    parse_product_ids,
    split_lines,
)
from config.foundation.backoffice.permissions import check_permissions

PERMISSION = "catalog.view_product"


@require_http_methods(["GET", "POST"])
def show_picker(request: HttpRequest) -> HttpResponseBase:
    """GET with ``q``: the options as HTML.

    POST: the IDs, and the rows of the first ones, as JSON. ``ids`` has one ID per line; in ``pasted``, commas can separate them too.
    """
    check_permissions(request, PERMISSION)
    return describe_rows(request) if request.method == "POST" else show_options(request)


def show_options(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "")
    context = {"products": find_picker_products(text), "text": text.strip()}
    return render(request, "catalog/product_picker_options.html", context)


def describe_rows(request: HttpRequest) -> JsonResponse:
    if "pasted" in request.POST:
        ids = parse_product_ids(request.POST["pasted"], divides_unknown=True)
    else:
        ids = split_lines(request.POST.get("ids", ""))
    rows = {
        product.product_id: render_to_string("catalog/product_picker_row.html", {"product": product}).strip()
        for product in describe_products(ids[:MAX_ROWS])
    }
    return JsonResponse({"ids": ids, "rows": rows})
