"""Odd names, encodings, columns and contents of uploaded files are errors on the page, never server errors."""

import gzip
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from config.foundation.text_encoding import UnknownEncodingError, find_encoding
from customers.imports.models import ImportRun

pytestmark = pytest.mark.django_db
NAMES = [
    "a.csv",
    "..",
    ".csv",
    "名" * 150 + ".csv",
    "a" * 300 + ".xml",
    "a\ud800.csv",
    "con.tsv",
    "%00.jsonl",
    "a.parquet",
    "b.csv.gz",
]
CONTENTS = [
    b" ", b"\x00", b"\xff\xfe", b"\xff\xfea", b"\xef\xbb\xbf", b"\x1f\x8b\x08", gzip.compress(b"a\x00,b\n1,2"), b"PAR1PAR1",
    b"product_id,product_id\n1,2\n", b"order_id,date,product_id\n\x00,\x00,\x00\n", b'"' * 5000, b"a," * 20_000,
    b"product_id\ttitle\n" + b"x" * 200_000, b"<rss>" * 500, b'{"product_id": ' + b"[" * 5000, b'{"product_id": "\\ud800", "title": 1e999}',
    "订单号,日期\n1,2".encode("gb18030"), b"\x81\x30\x81", b"product_id,title\n\xed\xa0\x80,t\n",
    b"x" * 200_000 + b"\n1\n",
]  # fmt: skip
OPTIONS = ["", "order_id", "order_id=", "\x00", "x" * 6000, "\ud800"]


@pytest.fixture
def boss(client: Client, settings: Any, tmp_path: Path) -> Client:
    settings.EXPORTS_DIR = tmp_path
    settings.VAR_DIR = tmp_path / "var"
    client.raise_request_exception = False
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    return client


def upload(client: Client, kind: str, *, name: str, content: bytes, **fields: str) -> int:
    """Upload a file, and confirm its columns if it could be read; return the highest status of the answers."""
    file = SimpleUploadedFile("a.csv", content)
    file._name = name  # past the check of the class, as a browser would send it
    response = client.post(reverse("imports:new", args=[kind]), {"file": file, "source": "shop", **fields}, follow=True)
    status, run = int(response.status_code), ImportRun.objects.order_by("pk").last()
    if run is None:
        return status
    data = {
        "reading": "1",
        "preset": "native",
        "encoding": "",
        "currency": "EUR",
        "timezone": "UTC",
        "column-0": "product_id",
    }
    defaults = {"products": "create", "missing": "keep"}
    checked = client.post(reverse("imports:columns", args=[run.pk]), {**data, **defaults, **fields}, follow=True)
    run.delete()
    return max(status, int(checked.status_code))


@pytest.mark.parametrize("kind", ["products", "orders", "customers", "reviews", "events"])
def test_odd_files_are_no_server_errors(boss: Client, kind: str) -> None:
    cases = [*product(["a.csv"], CONTENTS), *product(NAMES, [CONTENTS[0], CONTENTS[8]])]
    failed = [
        (name, content[:40])
        for name, content in cases
        if upload(boss, kind, name=name.encode(errors="replace").decode(), content=content) >= 500
    ]
    assert not failed


@pytest.mark.parametrize("kind", ["products", "orders"])
@pytest.mark.parametrize(
    "field", ["encoding", "preset", "timezone", "currency", "source", "products", "missing", "column-0", "date_format"]
)
def test_odd_options_are_no_server_errors(boss: Client, kind: str, field: str) -> None:
    values = [*OPTIONS, "base64", "../../etc/passwd", "utf-8\x00"]
    encodable = [value.encode(errors="replace").decode() for value in values]
    failed = [
        value
        for value in encodable
        if upload(boss, kind, name="a.csv", content=b"product_id,title\n1,2\n", **{field: value}) >= 500
    ]
    assert not failed


@pytest.mark.parametrize(
    "name", ["\x00", "utf-8\x00", "base64", "undefined", "rot13", "x" * 5000, "../x", "\ud800", "", "idna\x00"]
)
def test_an_unknown_encoding_is_reported(name: str) -> None:
    with pytest.raises(UnknownEncodingError):
        find_encoding(name)
