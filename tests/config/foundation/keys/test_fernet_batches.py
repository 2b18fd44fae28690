"""Tokens in batches are those of the library, in both directions."""

import os

import pytest
from cryptography.fernet import Fernet, InvalidToken

from config.foundation.keys.fernet_batches import (
    decode_token,
    decrypt_tokens,
    encrypt_texts,
    find_token_keys,
    open_key,
    reencrypt_tokens,
)

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
TEXTS = [
    b"",
    b"a",
    b"fifteen bytes..",
    b"sixteen bytes...",
    b"seventeen bytes..",
    *(os.urandom(n) for n in range(0, 200, 7)),
]


def test_the_library_decrypts_what_a_batch_encrypts() -> None:
    tokens = encrypt_texts(TEXTS, open_key(NEW))
    assert [Fernet(NEW).decrypt(token) for token in tokens] == TEXTS
    assert len(set(tokens)) == len(TEXTS)
    assert encrypt_texts([], open_key(NEW)) == []


def test_a_batch_decrypts_what_the_library_encrypts() -> None:
    tokens = [Fernet(OLD).encrypt(text).decode() for text in TEXTS]
    assert find_token_keys(tokens, [open_key(NEW), open_key(OLD)]) == [1] * len(TEXTS)
    assert decrypt_tokens([decode_token(token) for token in tokens], open_key(OLD)) == TEXTS


def test_only_tokens_of_older_keys_are_encrypted_again_and_keep_their_time() -> None:
    unknown = Fernet(Fernet.generate_key()).encrypt(b"lost").decode()
    current = Fernet(NEW).encrypt(b"new").decode()
    old = Fernet(OLD).encrypt_at_time(b"old", 1_700_000_000).decode()
    changed = old[:-9] + ("A" if old[-9] != "A" else "B") + old[-8:]
    result, numbers = reencrypt_tokens([old, current, unknown, changed, "plain"], [open_key(NEW), open_key(OLD)])
    assert numbers == [1, 0, None, None, None]
    assert result[1:] == [current, unknown, changed, "plain"]
    assert Fernet(NEW).decrypt(result[0]) == b"old"
    assert Fernet(NEW).extract_timestamp(result[0]) == 1_700_000_000
    with pytest.raises(InvalidToken):
        Fernet(OLD).decrypt(result[0])
