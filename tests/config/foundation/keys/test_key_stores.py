"""Keys wrapped by Vault's transit engine, as its API describes it, and by a program."""

import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from config.foundation.keys import key_stores
from config.foundation.keys.key_ids import check_field_keys, make_field_key
from config.foundation.keys.key_stores import KeyStore, KeyStoreError, build_key_store, unwrap_text, wrap_text
from config.foundation.keys.live_keys import KeyFileError, LiveKeys, write_entries

TOKEN = "hvs.test"


class TransitHandler(BaseHTTPRequestHandler):
    """POST /v1/transit/encrypt/:name and /v1/transit/decrypt/:name: https://developer.hashicorp.com/vault/api-docs/secret/transit."""

    calls = 0

    def do_POST(self) -> None:
        type(self).calls += 1
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["X-Vault-Token"] != TOKEN:
            self.answer(403, {"errors": ["permission denied"]})
        elif self.path == "/v1/transit/encrypt/shop":
            text = b64encode(bytes(byte ^ 0x5A for byte in b64decode(body["plaintext"]))).decode()
            self.answer(200, {"data": {"ciphertext": f"vault:v1:{text}", "key_version": 1}})
        elif self.path == "/v1/transit/decrypt/shop" and body["ciphertext"].startswith("vault:v1:"):
            plain = bytes(byte ^ 0x5A for byte in b64decode(body["ciphertext"].removeprefix("vault:v1:")))
            self.answer(200, {"data": {"plaintext": b64encode(plain).decode()}})
        else:
            self.answer(404, {"errors": ["no handler for route"]})

    def answer(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def patient_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until a busy machine has started the program, or answered as Vault."""
    monkeypatch.setattr(key_stores, "TIMEOUT_SECONDS", 300.0)


@pytest.fixture
def vault() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), TransitHandler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def make_vault(address: str, **environment: str) -> KeyStore:
    return build_key_store(
        {"KEY_STORE": "vault", "VAULT_ADDR": address, "VAULT_KEY": "shop", "VAULT_TOKEN": TOKEN, **environment}
    )


def make_live_keys(path: Path, store: KeyStore) -> LiveKeys:
    return LiveKeys(name="FIELD_KEYS", entries=[], path=path, store=store, check=check_field_keys)


def test_vault_wraps_keys_and_a_process_unwraps_each_once(vault: str, tmp_path: Path) -> None:
    store, key, path = make_vault(vault), make_field_key(), tmp_path / "field-keys"
    wrapped = wrap_text(store, key)
    assert wrapped.startswith("wrapped:vault:vault:v1:")
    assert key not in wrapped
    write_entries(path, [wrapped])
    keys = make_live_keys(path, store)
    assert list(keys) == [key]
    calls = TransitHandler.calls
    write_entries(path, [wrapped])
    keys.refresh()
    assert (list(keys), TransitHandler.calls) == ([key], calls)


def test_a_store_that_is_down_or_refuses_is_named_with_a_fix(vault: str, tmp_path: Path) -> None:
    path = tmp_path / "field-keys"
    write_entries(path, [wrap_text(make_vault(vault), make_field_key())])
    with pytest.raises(KeyFileError, match=r"is not responding at http://127.0.0.1:9 .* VAULT_ADDR"):
        list(make_live_keys(path, make_vault("http://127.0.0.1:9")))
    with pytest.raises(KeyFileError, match=r"status 403. permission denied. The token of VAULT_TOKEN"):
        list(make_live_keys(path, make_vault(vault, VAULT_TOKEN="other")))
    with pytest.raises(KeyFileError, match=r"status 404"):
        list(make_live_keys(path, make_vault(vault, VAULT_KEY="other")))
    with pytest.raises(KeyFileError, match=r"KEY_STORE is 'local'. Set KEY_STORE to vault"):
        list(make_live_keys(path, build_key_store({})))
    with pytest.raises(ValueError, match="VAULT_TOKEN or VAULT_TOKEN_FILE is not set"):
        build_key_store({"KEY_STORE": "vault", "VAULT_ADDR": vault, "VAULT_KEY": "shop"})


def test_a_program_can_be_the_store(tmp_path: Path) -> None:
    program = tmp_path / "kms.py"
    program.write_text(
        "import sys\ntext = sys.stdin.read()\n"
        "if sys.argv[1] not in ('wrap', 'unwrap'): sys.exit('unknown action')\nprint(text[::-1])\n"
    )
    store = build_key_store({"KEY_STORE": "command", "KEY_COMMAND": f"{sys.executable} {program}"})
    assert unwrap_text(store, wrap_text(store, "a key")) == "a key"
    broken = build_key_store({"KEY_STORE": "command", "KEY_COMMAND": f"{sys.executable} -c 'raise SystemExit(3)'"})
    with pytest.raises(KeyStoreError, match="unwrap failed with status 3"):
        broken.unwrap("text")


def test_a_running_process_uses_new_keys_of_the_file_and_keeps_its_keys_if_the_file_is_damaged(tmp_path: Path) -> None:
    first, second, path = make_field_key(), make_field_key(), tmp_path / "field-keys"
    write_entries(path, [first])
    keys = make_live_keys(path, build_key_store({}))
    assert list(keys) == [first]
    write_entries(path, [second, first])
    assert keys.refresh()
    assert list(keys) == [second, first]
    assert first not in repr(keys)
    path.write_text("damaged\n")
    assert not keys.refresh()
    assert list(keys) == [second, first]
    assert path.stat().st_mode & 0o777 == 0o600
