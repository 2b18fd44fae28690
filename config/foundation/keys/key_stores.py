"""Key stores: data keys are stored wrapped, and a key-encryption key outside this machine unwraps them.

A wrapped key is the text ``wrapped:<store>:<ciphertext>``; a plain key stays as it is, so that both can be used together while a store is
introduced. This module needs no Django, because the settings read their secrets with it.
"""

import json
import shlex
import subprocess
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

PREFIX = "wrapped:"
TIMEOUT_SECONDS = 5.0
MAX_RESPONSE_BYTES = 1_000_000


class KeyStoreError(Exception):
    """The key store cannot wrap or unwrap a key; the text says how to fix it."""


class KeyStore(Protocol):
    """Wraps and unwraps data keys with a key that never leaves the store."""

    @property
    def name(self) -> str:
        """The name in KEY_STORE."""
        ...

    def wrap(self, key: bytes) -> str:
        """Return the ciphertext of a data key. Raises KeyStoreError."""
        ...

    def unwrap(self, ciphertext: str) -> bytes:
        """Return the data key of a ciphertext. Raises KeyStoreError."""
        ...


@dataclass(frozen=True)
class LocalStore:
    """No key store: keys are in files that only this user can read, or in the environment."""

    name: str = "local"

    def wrap(self, key: bytes) -> str:
        raise KeyStoreError("There is no key store. Set KEY_STORE to vault or command, and its settings.")

    def unwrap(self, ciphertext: str) -> bytes:
        raise KeyStoreError(
            "A key is wrapped by a key store, but KEY_STORE is local. Set KEY_STORE to the store that wrapped it (vault or command)."
        )


@dataclass(frozen=True)
class VaultStore:
    """The transit secrets engine of Vault or OpenBao: POST /v1/{mount}/encrypt/{key} and /decrypt/{key}, API version 1.

    Attributes:
        token_file: read for every call, so that an agent can renew the token; ``token`` is used without one.
    """

    address: str
    key: str
    token: str = ""
    token_file: Path | None = None
    mount: str = "transit"
    namespace: str = ""
    name: str = "vault"

    def wrap(self, key: bytes) -> str:
        return str(self._call("encrypt", {"plaintext": b64encode(key).decode()}, "ciphertext"))

    def unwrap(self, ciphertext: str) -> bytes:
        text = self._call("decrypt", {"ciphertext": ciphertext}, "plaintext")
        try:
            return b64decode(text, validate=True)
        except Base64Error as error:
            raise KeyStoreError(f"{self.address} answered with a key that is not base64.") from error

    def _call(self, action: str, body: dict[str, str], field: str) -> str:
        url = f"{self.address.rstrip('/')}/v1/{self.mount}/{action}/{self.key}"
        headers = {"X-Vault-Token": self._read_token(), "Content-Type": "application/json"}
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310 — an operator's setting
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                content = response.read(MAX_RESPONSE_BYTES)
        except urllib.error.HTTPError as error:
            raise KeyStoreError(describe_refusal(url, error.code, read_errors(error))) from error
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise KeyStoreError(
                f"The key store is not responding at {self.address} ({reason}). Start it, or correct VAULT_ADDR; "
                "without it, no encrypted data can be read."
            ) from error
        try:
            return str(json.loads(content)["data"][field])
        except (ValueError, KeyError, TypeError) as error:
            raise KeyStoreError(
                f"{url} did not answer like Vault's transit engine. Check VAULT_ADDR and VAULT_MOUNT."
            ) from error

    def _read_token(self) -> str:
        if self.token_file is None:
            return self.token
        try:
            return self.token_file.read_text().strip()
        except OSError as error:
            raise KeyStoreError(f"VAULT_TOKEN_FILE={self.token_file} cannot be read: {error.strerror}.") from error


def read_errors(error: urllib.error.HTTPError) -> str:
    """Return the errors of a response of Vault, as one text."""
    try:
        return "; ".join(str(text).strip() for text in json.loads(error.read(MAX_RESPONSE_BYTES))["errors"])
    except (ValueError, KeyError, TypeError):
        return ""


def describe_refusal(url: str, status: int, errors: str) -> str:
    fixes = {
        400: "The key of VAULT_KEY did not wrap this data key, or its version was archived.",
        403: "The token of VAULT_TOKEN is invalid, has expired, or its policy does not allow update on this path.",
        404: "There is no such mount or key. Check VAULT_MOUNT and VAULT_KEY.",
        503: "Vault is sealed or in maintenance. Unseal it.",
    }
    return " ".join(
        part
        for part in (f"{url} answered with status {status}.", errors and f"{errors}.", fixes.get(status, ""))
        if part
    )


@dataclass(frozen=True)
class CommandStore:
    """Any program: ``COMMAND wrap`` and ``COMMAND unwrap`` read base64 from their input and write base64 to their output.

    A script of three lines connects AWS KMS, Google Cloud KMS, Azure Key Vault or a hardware module.
    """

    command: str
    name: str = "command"

    def wrap(self, key: bytes) -> str:
        return self._run("wrap", b64encode(key).decode())

    def unwrap(self, ciphertext: str) -> bytes:
        try:
            return b64decode(self._run("unwrap", ciphertext), validate=True)
        except Base64Error as error:
            raise KeyStoreError(f"{self.command} unwrap did not write base64.") from error

    def _run(self, action: str, text: str) -> str:
        try:
            done = subprocess.run(
                [*shlex.split(self.command), action],
                input=text,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS * 4,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise KeyStoreError(f"KEY_COMMAND={self.command!r} cannot be run: {error}.") from error
        if done.returncode or not done.stdout.strip():
            raise KeyStoreError(
                f"{self.command} {action} failed with status {done.returncode}: {done.stderr.strip()[:500] or 'it wrote nothing'}."
            )
        return done.stdout.strip()


def build_key_store(environment: Mapping[str, str]) -> KeyStore:
    """Return the key store of the environment. Errors: ValueError, with the fix."""
    kind = environment.get("KEY_STORE", "").strip() or "local"
    if kind == "local":
        return LocalStore()
    if kind == "command":
        if not environment.get("KEY_COMMAND", "").strip():
            raise ValueError("KEY_STORE is command, but KEY_COMMAND is not set. Set it to a program that wraps keys.")
        return CommandStore(environment["KEY_COMMAND"].strip())
    if kind != "vault":
        raise ValueError(f"KEY_STORE={kind!r} is invalid. Set it to one of local, vault, command, or unset it.")
    required: dict[str, Any] = {name: environment.get(name, "").strip() for name in ("VAULT_ADDR", "VAULT_KEY")}
    missing = [name for name, value in required.items() if not value]
    token, token_file = environment.get("VAULT_TOKEN", "").strip(), environment.get("VAULT_TOKEN_FILE", "").strip()
    if not token and not token_file:
        missing.append("VAULT_TOKEN or VAULT_TOKEN_FILE")
    if missing:
        raise ValueError(f"KEY_STORE is vault, but {', '.join(missing)} is not set.")
    if not required["VAULT_ADDR"].startswith(("http://", "https://")):
        raise ValueError("VAULT_ADDR is invalid. Set it to an address such as https://vault.example:8200.")
    return VaultStore(
        address=required["VAULT_ADDR"],
        key=required["VAULT_KEY"],
        token=token,
        token_file=Path(token_file) if token_file else None,
        mount=environment.get("VAULT_MOUNT", "").strip("/ ") or "transit",
        namespace=environment.get("VAULT_NAMESPACE", "").strip(),
    )


def wrap_text(store: KeyStore, text: str) -> str:
    """Return a secret wrapped by the store. Raises KeyStoreError."""
    return f"{PREFIX}{store.name}:{store.wrap(text.encode())}"


def is_wrapped(text: str) -> bool:
    return text.startswith(PREFIX)


def unwrap_text(store: KeyStore, text: str) -> str:
    """Return the secret of a text, which may be plain. Raises KeyStoreError."""
    if not is_wrapped(text):
        return text
    name, _colon, ciphertext = text.removeprefix(PREFIX).partition(":")
    if name != store.name:
        raise KeyStoreError(f"A key was wrapped by {name!r}, but KEY_STORE is {store.name!r}. Set KEY_STORE to {name}.")
    return store.unwrap(ciphertext).decode()
