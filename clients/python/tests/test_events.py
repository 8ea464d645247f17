import math
import os
import time
import uuid
from datetime import UTC, datetime

import pytest
from mink.v1 import event_pb2
from mink_client import NewEvent, RecordedEvent
from mink_client._uuid7 import uuid7


def test_ids_are_uuids_of_version_seven_that_sort_as_they_were_made():
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    for text in made[::1000]:
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant, str(parsed)) == (7, uuid.RFC_4122, text)
        assert abs((parsed.int >> 80) / 1000 - time.time()) < 5


def test_a_forked_child_makes_other_ids(monkeypatch):
    uuid7()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, uuid7().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 36).decode()[19:] != uuid7()[19:]
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("payload", "text"),
    [({"a": 1, "b": "ä"}, '{"a":1,"b":"ä"}'), ([1, 2.5], "[1,2.5]"), ("text", '"text"'), (None, "null"), (True, "true")],
)
def test_a_payload_becomes_compact_json(payload, text):
    event = NewEvent("A", payload)
    assert event.data == text
    assert event.is_json


def test_bytes_stay_bytes():
    event = NewEvent("A", b'{"a":1}')
    assert event.data == b'{"a":1}'
    assert not event.is_json


def test_json_text_is_taken_as_it_is():
    assert NewEvent.raw_json("A", '{ "a" : 1.0 }').data == '{ "a" : 1.0 }'


def test_what_has_no_json_form_is_refused_when_the_event_is_made():
    with pytest.raises(TypeError):
        NewEvent("A", {"a": object()})
    with pytest.raises(ValueError, match="JSON"):
        NewEvent("A", {"a": math.nan})


def test_an_event_has_its_id_from_the_beginning_and_keeps_a_given_one():
    assert uuid.UUID(NewEvent("A", {}).id).version == 7
    given = uuid.uuid4()
    assert NewEvent("A", {}, id=str(given)).id == str(given)


def test_a_recorded_event_shows_what_came():
    message = event_pb2.RecordedEvent(
        position=5, version=2, id="x", stream="Order-1-a", type="A", metadata={"k": "v"}, json='{"a": "\\u0000"}'
    )
    message.recorded_at.FromDatetime(datetime(2026, 1, 2, 3, 4, 5, 678900, UTC))
    event = RecordedEvent(message)
    assert (event.position, event.version, event.id, event.stream, event.category, event.type) == (
        5,
        2,
        "x",
        "Order-1-a",
        "Order",
        "A",
    )
    assert event.metadata == {"k": "v"}
    assert event.recorded_at == datetime(2026, 1, 2, 3, 4, 5, 678900, UTC)
    assert event.is_json
    assert event.data == b'{"a": "\\u0000"}'
    assert event.text == '{"a": "\\u0000"}'
    assert event.json() == {"a": "\0"}


def test_a_recorded_event_of_bytes_gives_bytes():
    event = RecordedEvent(event_pb2.RecordedEvent(binary=b"\xff"))
    assert not event.is_json
    assert event.data == b"\xff"
    with pytest.raises(UnicodeDecodeError):
        _ = event.text
