"""A JSON line is an item or a batch; imported events keep their own time, regardless of sentAt."""

import json
from typing import Any

import pytest

from customers.events.collector.items import decode_item
from customers.events.imports.json_lines import LineError, iterate_line_items


def read_items(line: Any) -> list[Any]:
    data = line if isinstance(line, bytes) else json.dumps(line).encode()
    return [json.loads(item) for item in iterate_line_items(data)]


def test_item_is_unchanged_to_the_byte() -> None:
    line = b'{ "type": "track", "event": "A",  "userId": "u1", "properties": {"sentAtt": 1.10} }'
    assert list(iterate_line_items(line)) == [line]


def test_batch_line_yields_its_items() -> None:
    assert read_items({"batch": [{"event": "A"}, {"event": "B"}], "sentAt": "2020-01-01T00:00:00Z"}) == [
        {"event": "A"},
        {"event": "B"},
    ]
    assert read_items({"batch": []}) == []


def test_item_that_contains_the_word_batch_is_one_item() -> None:
    assert read_items({"event": "Baked", "properties": {"batch": [1]}}) == [
        {"event": "Baked", "properties": {"batch": [1]}}
    ]
    assert read_items({"batch": 7}) == [{"batch": 7}]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"sentAt": "2026-01-01T12:00:00Z", "timestamp": "2026-01-01T11:00:00Z"}, "2026-01-01T11:00:00Z"),
        ({"sentAt": "2026-01-01T12:00:00Z", "originalTimestamp": "2026-01-01T11:00:00Z"}, "2026-01-01T11:00:00Z"),
        (
            {
                "sentAt": "2026-01-01T12:00:00Z",
                "originalTimestamp": "2026-01-01T11:00:00Z",
                "receivedAt": "2026-01-01T10:00:05Z",
            },
            "2026-01-01T09:00:05+00:00",
        ),
        (
            {"sentAt": "soon", "originalTimestamp": "2026-01-01T11:00:00Z", "receivedAt": "2026-01-01T10:00:05Z"},
            "2026-01-01T11:00:00Z",
        ),
    ],
    ids=["timestamp", "no receipt", "the client's clock was two hours ahead", "unreadable"],
)
def test_sent_at_does_not_shift_imported_times(times: dict[str, str], expected: str) -> None:
    [item] = read_items({"event": "A", "userId": "u1", **times})
    assert item["timestamp"] == expected
    assert not {"sentAt", "originalTimestamp"} & set(item)


def test_sent_at_of_a_batch_does_not_shift_imported_times() -> None:
    [item] = read_items({"batch": [{"sentAt": "2026-01-01T12:00:00Z", "timestamp": "2026-01-01T11:00:00Z"}]})
    assert item == {"timestamp": "2026-01-01T11:00:00Z"}


@pytest.mark.parametrize(
    ("line", "code"), [(b'{"a":"\xff"}', "invalid_encoding"), (b"[1]", "invalid_json"), (b"hello", "invalid_json")]
)
def test_lines_that_are_not_objects_are_rejected(line: bytes, code: str) -> None:
    with pytest.raises(LineError) as error_info:
        read_items(line)
    assert error_info.value.code == code


def test_lone_surrogates_stay_in_their_item_and_do_not_stop_the_correction_of_its_time() -> None:
    times = (
        b'"timestamp":"2026-01-01T11:00:00Z","originalTimestamp":"2026-01-01T11:00:00Z",'
        b'"sentAt":"2026-01-01T11:00:10Z","receivedAt":"2026-01-01T12:00:10Z"'
    )
    line = b'{"batch":[{"event":"a"},{"event":"b\\ud83d",%s}]}' % times
    first, second = map(decode_item, iterate_line_items(line))
    assert (first.event, second.event, second.warning) == ("a", "b\ufffd", "replaced_characters")
    assert (second.timestamp, second.sentAt) == ("2026-01-01T12:00:00+00:00", None)
