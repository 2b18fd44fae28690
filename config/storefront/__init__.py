"""The demo shop at ``/shop/``: page shells and static files. It reads from the public API and sends events to the collector."""
