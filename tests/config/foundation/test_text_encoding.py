"""The encoding of a file is detected from its bytes."""

import io

import pytest

from config.foundation.text_encoding import (
    UnknownEncodingError,
    detect_8bit_encoding,
    detect_byte_order_mark,
    detect_utf16,
    find_decoding_failure,
    find_encoding,
)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Kettle", "utf-8"),
        ("Théière, 茶壶", "utf-8"),
        ("不锈钢电热水壶", "gb18030"),
        ("Théière à thé", "cp1252"),
    ],
)
def test_text_in_each_encoding_is_recognized(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    assert detect_8bit_encoding(lambda: io.BytesIO(data)) == (encoding, None)


def test_broken_utf8_is_not_detected_as_another_encoding() -> None:
    data = "茶壶\nThéière\n".encode() + b"\xff"
    encoding, failure = detect_8bit_encoding(lambda: io.BytesIO(data))
    assert encoding is None
    assert failure is not None
    assert (failure.line, failure.invalid_bytes, failure.had_multibyte) == (3, b"\xff", True)


def test_a_file_that_ends_inside_a_character_fails_at_its_end() -> None:
    data = "a\n茶".encode()[:-1]
    failure = find_decoding_failure(lambda: io.BytesIO(data), "utf-8")
    assert failure is not None
    assert (failure.line, failure.invalid_bytes) == (2, "茶".encode()[:-1])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_encoding(encoding: str) -> None:
    assert detect_byte_order_mark("product_id".encode(encoding)) == encoding


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_recognized_by_its_zero_bytes(encoding: str) -> None:
    assert detect_utf16("product_id,title".encode(encoding)) == encoding
    assert detect_utf16(b"product_id,title") is None


def test_older_chinese_encodings_are_read_as_gb18030() -> None:
    assert find_encoding("GBK") == find_encoding("gb2312") == "gb18030"
    with pytest.raises(UnknownEncodingError):
        find_encoding("klingon")
