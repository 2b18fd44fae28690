"""nginx's log_format is parsed by the rules that nginx uses to write it."""

import pytest

from customers.events.imports.log_format import COMBINED, LogFormatError, compile_format

LINE = (
    '203.0.113.9 - anna [24/Nov/2026:10:42:00 +0100] "GET /product/7?q=a HTTP/1.1" 200 512 '
    '"https://shop.example/" "Mozilla/5.0 (X11)"'
)


def test_combined_format_is_parsed() -> None:
    assert compile_format(COMBINED).parse_fields(LINE) == {
        "remote_addr": "203.0.113.9",
        "remote_user": "anna",
        "time_local": "24/Nov/2026:10:42:00 +0100",
        "request": "GET /product/7?q=a HTTP/1.1",
        "status": "200",
        "body_bytes_sent": "512",
        "http_referer": "https://shop.example/",
        "http_user_agent": "Mozilla/5.0 (X11)",
    }


@pytest.mark.parametrize("line", [f'{LINE} "198.51.100.4"', f"{LINE} 0.004 -", LINE.replace(" - anna ", " - anna b ")])
def test_text_after_the_last_variable_and_users_of_two_words_are_accepted(line: str) -> None:
    fields = compile_format(COMBINED).parse_fields(line)
    assert fields is not None
    assert fields["http_user_agent"] == "Mozilla/5.0 (X11)"


def test_hyphen_is_an_empty_value_and_escapes_are_decoded() -> None:
    line = r'::1 - - [24/Nov/2026:10:42:00 +0000] "GET /\xE8\x8C\xB6 HTTP/1.1" 200 0 "-" "say \x22hi\x22 and \"ho\" \\ \x5C"'
    fields = compile_format(COMBINED).parse_fields(line)
    assert fields is not None
    assert fields["remote_user"] == fields["http_referer"] == ""
    assert fields["request"] == "GET /茶 HTTP/1.1"
    assert fields["http_user_agent"] == 'say "hi" and "ho" \\ \\'


@pytest.mark.parametrize("line", ["", "hello", LINE[:80], LINE.replace("[", "("), LINE + "x"])
def test_lines_of_another_format_do_not_match(line: str) -> None:
    assert compile_format(COMBINED).parse_fields(line) is None


def test_custom_format_with_braces_and_literal_text_is_parsed() -> None:
    text = '${host} $remote_addr "$request_method" "$request_uri" st=$status t=$msec,v="$cookie_visitor"'
    line = 'shop.example ::1 "GET" "/a b" st=304 t=1763977320.123,v="abc"'
    fields = compile_format(text).parse_fields(line)
    assert fields == {
        "host": "shop.example",
        "remote_addr": "::1",
        "request_method": "GET",
        "request_uri": "/a b",
        "status": "304",
        "msec": "1763977320.123",
        "cookie_visitor": "abc",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"$request" $msec', r"\$status is required"),
        ("$status $msec", r"\$request is required, or \$request_method and \$request_uri"),
        ('"$request" $status', "a time is required"),
        ('$status$msec "$request"', "add a separator between"),
        ('$status $msec "$request" $status', r"\$status appears more than once"),
    ],
)
def test_unusable_format_error_gives_the_reason(text: str, message: str) -> None:
    with pytest.raises(LogFormatError, match=message):
        compile_format(text)
