"""Serves a shop without a connector: its products as a Google Merchant feed, gzipped, over HTTPS, and its orders as a file with our column names."""

import csv
import gzip
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.connected_shops import make_orders
from benchmarks.made_products import SimulatedProduct

HOST = "localhost"
CSV_COLUMNS = (
    "order_id",
    "customer_id",
    "placed_at",
    "product_id",
    "quantity",
    "unit_price",
    "currency",
    "status",
)


def format_product_id(row: int) -> str:
    """Return the ID of the product in a row, as the Shopify server has it."""
    return str((row + 1) * 100 + 1)


def write_orders(path: Path, products: Sequence[SimulatedProduct], orders: int) -> None:
    """Write the orders of the local shops as a file, a row per line."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for order in make_orders(products, count=orders, customers=max(orders // 5, 1)):
            for row in order.products:
                price = products[row].fields["price"]
                writer.writerow(
                    [
                        order.number,
                        order.customer,
                        f"{order.moment}Z",
                        format_product_id(row),
                        1,
                        price,
                        "EUR",
                        "placed",
                    ]
                )


def write_feed(products: Sequence[SimulatedProduct]) -> bytes:
    """Return a product feed (support.google.com/merchants, product data specification), gzipped."""
    items = []
    for row, product in enumerate(products):
        fields = product.fields
        values = {
            "id": format_product_id(row),
            "title": fields["title"],
            "description": fields["description"],
            "link": f"https://shop.example/products/{row + 1}",
            "image_link": f"https://shop.example/images/{row + 1}.jpg",
            "availability": "in_stock",
            "price": f"{fields['price']} EUR",
            "brand": fields["brand"],
            "product_type": fields["category"],
        }
        items.append(
            f"<item>{''.join(f'<g:{key}>{escape(str(value))}</g:{key}>' for key, value in values.items())}</item>"
        )
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><title>Shop</title><link>https://shop.example</link>
<description>Products</description>{"".join(items)}</channel></rss>"""
    return gzip.compress(text.encode())


def make_certificate(folder: Path) -> None:
    """Write a certificate of this machine that signs itself, to ``ca.pem``, and with its key to ``host.pem``."""
    folder.mkdir(parents=True, exist_ok=True)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "host.pem").write_bytes(certificate.public_bytes(pem) + secret)


@contextmanager
def run_feed_shop(products: Sequence[SimulatedProduct], folder: Path) -> Iterator[str]:
    """Serve the feed with an ETag; yield its URL. folder: gets the certificate that clients have to trust (``ca.pem``)."""
    make_certificate(folder)
    content = write_feed(products)
    etag = f'"{sha256(content).hexdigest()[:16]}"'

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.headers.get("If-None-Match") == etag
            self.send_response(304 if is_known else 200)
            self.send_header("ETag", etag)
            self.send_header("Content-Type", "application/gzip")
            self.send_header("Content-Length", "0" if is_known else str(len(content)))
            self.end_headers()
            self.wfile.write(b"" if is_known else content)

        def log_message(self, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "host.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://{HOST}:{server.server_address[1]}/feed.xml.gz"
    finally:
        server.shutdown()
        server.server_close()
