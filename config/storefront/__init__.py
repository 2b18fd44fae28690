"""The demo's shop at ``/shop/``: page shells and static files. All it shows comes from the public API, all it tells goes to the collector."""
