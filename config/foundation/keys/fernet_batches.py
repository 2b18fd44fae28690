"""Encrypts and decrypts many Fernet tokens at once, with the same bytes as one at a time.

A Fernet token is base64url(0x80 ‖ timestamp ‖ IV ‖ AES-128-CBC(padded text) ‖ HMAC-SHA256), see the Fernet specification,
https://github.com/fernet/spec/blob/master/Spec.md. Almost all the time for one token is spent on Python objects of the library, so the block
cipher is called once for many tokens: decryption of CBC is a block decryption and an XOR; encryption goes block by block through all tokens.
"""

import hmac
import os
import time
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

VERSION = 0x80
BLOCK = 16
HEADER = 25  # version, timestamp, IV
DIGEST = 32
SHORTEST = HEADER + BLOCK + DIGEST
URL_SAFE = bytes.maketrans(b"-_", b"+/")


class FernetKey(NamedTuple):
    """The two halves of a Fernet key."""

    signing: bytes
    cipher: Cipher[modes.ECB]


def open_key(key: str) -> FernetKey:
    """Return a key ready for use. Errors: ValueError for text that is not a Fernet key."""
    data = urlsafe_b64decode(key)
    if len(data) != DIGEST:
        raise ValueError("A Fernet key has 32 bytes in URL-safe base64.")
    # the block cipher alone, from which CBC is computed below for all tokens at once
    return FernetKey(data[:BLOCK], Cipher(algorithms.AES(data[BLOCK:]), modes.ECB()))  # noqa: S305


def decode_token(token: str) -> bytes:
    """Return the bytes of a token; empty if it cannot be one."""
    try:
        data = b64decode(token.encode().translate(URL_SAFE), validate=True)
    except (Base64Error, UnicodeEncodeError, ValueError):
        return b""
    is_token = len(data) >= SHORTEST and data[0] == VERSION and (len(data) - HEADER - DIGEST) % BLOCK == 0
    return data if is_token else b""


def find_key(data: bytes, keys: Sequence[FernetKey]) -> int | None:
    """Return the number of the key that signed a token; None if none did."""
    signed, signature = data[:-DIGEST], data[-DIGEST:]
    for number, key in enumerate(keys):
        if hmac.compare_digest(hmac.digest(key.signing, signed, "sha256"), signature):
            return number
    return None


def find_token_keys(tokens: Sequence[str], keys: Sequence[FernetKey]) -> list[int | None]:
    """Return for each token the number of the key that encrypted it; None for unknown keys and other texts."""
    decoded = (decode_token(token) for token in tokens)
    return [find_key(data, keys) if data else None for data in decoded]


def decrypt_tokens(datas: Sequence[bytes], key: FernetKey) -> list[bytes]:
    """Return the texts of decoded tokens whose signatures were checked."""
    if not datas:
        return []
    bodies = [data[HEADER:-DIGEST] for data in datas]
    previous = b"".join(
        [data[HEADER - BLOCK : -DIGEST - BLOCK] for data in datas]
    )  # the IV, then each block but the last
    opened = np.frombuffer(key.cipher.decryptor().update(b"".join(bodies)), np.uint8)
    plain = (opened ^ np.frombuffer(previous, np.uint8)).tobytes()
    texts, start = [], 0
    for body in bodies:
        end = start + len(body)
        texts.append(plain[start : end - plain[end - 1]])
        start = end
    return texts


def encrypt_texts(texts: Sequence[bytes], key: FernetKey, *, stamps: Sequence[bytes] = ()) -> list[str]:
    """Return a token for each text.

    Args:
        stamps: the 8 bytes of each token's timestamp; default: now.
    """
    if not texts:
        return []
    padded = [text + bytes([pad]) * pad for text in texts for pad in (BLOCK - len(text) % BLOCK,)]
    lengths = np.array([len(text) // BLOCK for text in padded])
    order = np.argsort(-lengths, kind="stable")
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])[order]
    blocks = np.frombuffer(b"".join(padded), np.uint8).reshape(-1, BLOCK).copy()
    vectors = np.frombuffer(os.urandom(BLOCK * len(texts)), np.uint8).reshape(-1, BLOCK)
    encryptor, chained = key.cipher.encryptor(), vectors[order]
    sorted_lengths = lengths[order]
    for step in range(int(lengths.max())):
        count = int(np.searchsorted(-sorted_lengths, -step))  # the tokens that have a block of this number
        rows = starts[:count] + step
        sealed = encryptor.update((blocks[rows] ^ chained[:count]).tobytes())
        chained = np.frombuffer(sealed, np.uint8).reshape(-1, BLOCK)
        blocks[rows] = chained
    body, ivs = blocks.tobytes(), vectors.tobytes()
    now = int(time.time()).to_bytes(8, "big")
    tokens, start = [], 0
    for number, text in enumerate(padded):
        stamp = stamps[number] if stamps else now
        iv = ivs[number * BLOCK : (number + 1) * BLOCK]
        signed = b"".join((b"\x80", stamp, iv, body[start : start + len(text)]))
        tokens.append(urlsafe_b64encode(signed + hmac.digest(key.signing, signed, "sha256")).decode())
        start += len(text)
    return tokens


def reencrypt_tokens(tokens: Sequence[str], keys: Sequence[FernetKey]) -> tuple[list[str], list[int | None]]:
    """Encrypt tokens of older keys with the first key, keeping their timestamps.

    Returns:
        The tokens, where those of the first and of unknown keys are unchanged; and the number of the key that each token had before.
    """
    decoded = [decode_token(token) for token in tokens]
    numbers = [find_key(data, keys) if data else None for data in decoded]
    result = list(tokens)
    for number in range(1, len(keys)):
        positions = [position for position, used in enumerate(numbers) if used == number]
        datas = [decoded[position] for position in positions]
        texts = decrypt_tokens(datas, keys[number])
        renewed = encrypt_texts(texts, keys[0], stamps=[data[1:9] for data in datas])
        for position, token in zip(positions, renewed, strict=True):
            result[position] = token
    return result, numbers
