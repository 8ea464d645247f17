"""What is written by hand is what protobuf itself would write."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st
from mink.v1 import event_store_pb2 as pb
from mink.v1.event_pb2 import RecordedEvent
from mink_server.core.events import EventToAppend
from mink_server.core.ids import uuid7
from mink_server.storage.encoding import encode_event, finish_event, frame, stream_field, timestamp_field
from mink_server.wire import block, number, timestamp, varint

numbers = st.integers(0, 2**64 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
positions = st.integers(1, 2**63 - 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(numbers)
@example(0)
@example(127)
@example(128)
@example(16383)
@example(16384)
@example(2**32)
@example(2**63)
@example(2**64 - 1)
def test_varint(value: int) -> None:
    # A message of one number: tag and varint. request_id is an int64: the upper half are the negative numbers.
    signed = value - 2**64 if value >= 2**63 else value
    message = pb.SessionResult(request_id=signed).SerializeToString()
    assert number(b"\x08", value) == message
    assert varint(value) == (message[1:] or b"\x00")


@pytest.mark.parametrize("around", [0, 127, 16383, 16384, 2**21, 2**28, 2**35])
def test_varint_around_its_lengths(around: int) -> None:
    for value in range(max(around - 2, 0), around + 3):
        assert pb.SessionResult.FromString(b"\x08" + varint(value)).request_id == value


@given(st.binary(max_size=300))
@example(b"")
@example(b"x" * 127)
@example(b"x" * 128)
@example(b"x" * 20_000)
def test_block(data: bytes) -> None:
    message = RecordedEvent.FromString(block(b"\x4a", data))
    assert message.binary == data
    assert message.SerializeToString() == block(b"\x4a", data)


@given(st.integers(0, 253_402_300_799_999_999_999))
@example(0)
@example(999_999_999)
@example(1_000_000_000)
def test_timestamp(nanoseconds: int) -> None:
    wanted = Timestamp(seconds=nanoseconds // 10**9, nanos=nanoseconds % 10**9)
    assert timestamp(nanoseconds) == wanted.SerializeToString()


@given(
    stream=texts.filter(bool),
    kind=texts.filter(bool),
    payload=st.one_of(st.binary(max_size=400), st.just(b"x" * 20_000)),
    is_json=st.booleans(),
    metadata=st.dictionaries(texts, texts, max_size=4),
    position=positions,
    version=positions,
    micros=st.integers(0, 4_000_000_000_000_000),
)
def test_a_frame_is_an_event_of_a_response(
    stream: str, kind: str, payload: bytes, is_json: bool, metadata: dict[str, str], position: int, version: int, micros: int
) -> None:
    event_id = str(uuid.uuid4())
    if is_json:
        payload = payload.hex().encode()
    encoded = encode_event(EventToAppend(event_id, kind, payload, is_json, metadata or None, 0), stream_field(stream))
    opening, envelope = finish_event(encoded, timestamp_field(micros * 1000))
    made = frame(opening, position, version, envelope, payload)
    wanted = RecordedEvent(position=position, version=version, id=event_id, stream=stream, type=kind, metadata=metadata)
    wanted.recorded_at.FromDatetime(EPOCH + timedelta(microseconds=micros))
    if is_json:
        wanted.json = payload.decode()
    else:
        wanted.binary = payload
    for message in (pb.ReadAllResponse, pb.ReadStreamResponse, pb.EventBatch):
        assert list(message.FromString(made + made).events) == [wanted, wanted]
    assert made == pb.ReadAllResponse(events=[wanted]).SerializeToString(deterministic=True) or len(metadata) > 1


def test_ids_are_uuids_of_version_seven_that_grow_with_the_time() -> None:
    made = [uuid7() for _ in range(1000)]
    assert len(set(made)) == 1000
    for text in made:
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    milliseconds = [uuid.UUID(text).int >> 80 for text in made]
    assert milliseconds == sorted(milliseconds)
    assert abs(milliseconds[0] / 1000 - datetime.now(UTC).timestamp()) < 60
