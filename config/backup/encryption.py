"""Encrypts the parts of a backup with a key that is derived from BACKUP_PASSPHRASE."""

import os
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SALT_BYTES, NONCE_BYTES = 16, 12
SCRYPT = {"n": 2**15, "r": 8, "p": 1}  # 32 MB and about a tenth of a second per guess
CHECK_TEXT = b"perennial backup"


class BackupCipher:
    """Encrypts with AES-256-GCM, and names parts with a keyed hash, so that names do not reveal known contents."""

    def __init__(self, passphrase: str, salt: bytes) -> None:
        key = Scrypt(salt=salt, length=64, **SCRYPT).derive(passphrase.encode())
        self._cipher, self._name_key = AESGCM(key[:32]), key[32:]

    def name_part(self, content: bytes) -> str:
        return blake2b(content, digest_size=32, key=self._name_key).hexdigest()

    def encrypt(self, content: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, None)

    def decrypt(self, content: bytes) -> bytes:
        """Return the plain content. Raises ValueError if it was changed, or encrypted with another key."""
        try:
            return self._cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], None)
        except InvalidTag as error:
            raise ValueError("the encrypted content was changed, or the passphrase is wrong") from error


class PlainCipher:
    """Leaves the parts of a backup unencrypted."""

    def name_part(self, content: bytes) -> str:
        return blake2b(content, digest_size=32).hexdigest()

    def encrypt(self, content: bytes) -> bytes:
        return content

    def decrypt(self, content: bytes) -> bytes:
        return content
