"""Any division of a stream gives the same frames; what is no message is refused without being quoted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_bytes import STARTUP, message, query, request

from harness.wire import Frame, Framer, Side, WireError
from harness.wire.content import command_tag, loggable, sqlstate, strings, transaction_status
from harness.wire.frames import KINDS, LARGEST, LARGEST_STARTUP, kinds_of


def frames(side: Side, pieces: Sequence[bytes]) -> tuple[list[Frame], bytes, str]:
    """What a framer makes of a stream that comes in these pieces: messages, the rest, and its complaint."""
    framer, found = Framer(side), list[Frame]()
    try:
        for piece in pieces:
            for frame in framer.feed(piece):
                found.append(frame)
    except WireError as error:
        return found, framer.held, str(error)
    return found, framer.held, ""


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[a:b] for a, b in pairwise(places)]


def streams(side: Side) -> st.SearchStrategy[bytes]:
    messages = st.lists(
        st.builds(
            message, st.sampled_from([chr(kind) for kind in KINDS[side]]), st.binary(max_size=40) | st.just(b"x" * 3000)
        ),
        max_size=12,
    ).map(b"".join)
    if side is Side.SERVER:
        return messages
    beginnings = st.lists(st.sampled_from([80877103, 80877104]), max_size=2).map(
        lambda codes: b"".join(map(request, codes)) + STARTUP
    )
    return st.builds(bytes.__add__, beginnings, messages)


CUTS = st.lists(st.integers(min_value=0, max_value=100_000), max_size=30)


@pytest.mark.parametrize("side", Side)
@given(data=st.data(), at=CUTS)
def test_any_division_gives_the_same_frames(side: Side, data: st.DataObject, at: list[int]) -> None:
    stream = data.draw(streams(side))
    found, rest, complaint = frames(side, cut(stream, at))
    assert (found, rest, complaint) == frames(side, [stream])
    assert (rest, complaint) == (b"", "")
    assert b"".join(frame.data for frame in found) == stream


@pytest.mark.parametrize("side", Side)
@given(data=st.data(), at=CUTS)
def test_any_division_of_a_spoilt_stream_gives_the_same_frames_and_complaint(
    side: Side, data: st.DataObject, at: list[int]
) -> None:
    stream = bytearray(data.draw(streams(side)) + data.draw(st.binary(max_size=60)))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4)):
        if stream:
            stream[place % len(stream)] = value
    pieces = cut(bytes(stream), at)
    one_byte_each = [bytes([byte]) for byte in stream]
    found, _, complaint = frames(side, pieces)
    assert (found, complaint) == frames(side, one_byte_each)[::2]
    assert bytes(stream).startswith(b"".join(frame.data for frame in found))


@pytest.mark.parametrize("side", Side)
def test_every_kind_has_its_name(side: Side) -> None:
    stream = (STARTUP if side is Side.CLIENT else b"") + b"".join(message(chr(kind), b"body") for kind in KINDS[side])
    found, _, _ = frames(side, [stream])
    assert [f.kind for f in found if f.kind != "Startup"] == list(KINDS[side].values())
    assert {f.kind for f in found} <= kinds_of(side)
    assert {f.body for f in found if f.kind != "Startup"} == {b"body"}


def test_a_client_begins_without_types() -> None:
    stream = request(80877104) + request(80877103) + STARTUP + query("SELECT 1")
    found, _, _ = frames(Side.CLIENT, [stream])
    assert [frame.kind for frame in found] == ["GSSENCRequest", "SSLRequest", "Startup", "Query"]
    found, _, _ = frames(Side.CLIENT, [request(80877102, b"12345678")])
    assert [(frame.kind, frame.body[4:]) for frame in found] == [("CancelRequest", b"12345678")]


@pytest.mark.parametrize(
    ("side", "stream"),
    [
        (Side.CLIENT, b"\x16\x03\x01\x02\x00\x01\x00"),  # a TLS hello without asking
        (Side.CLIENT, b"GET / HTTP/1.1\r\n\r\n"),
        (Side.CLIENT, (7).to_bytes(4, "big")),
        (Side.CLIENT, (LARGEST_STARTUP + 1).to_bytes(4, "big")),
        (Side.CLIENT, STARTUP + b"?"),
        (Side.CLIENT, STARTUP + b"Q" + (3).to_bytes(4, "big")),
        (Side.SERVER, b"Q"),
        (Side.SERVER, b"D" + (LARGEST + 1).to_bytes(4, "big")),
        (Side.SERVER, b"D" + b"\xff\xff\xff\xff"),
    ],
)
def test_what_is_no_message_is_refused_at_once(side: Side, stream: bytes) -> None:
    _, _, complaint = frames(side, [stream])
    assert complaint.startswith(f"the {side} sent a message")


def test_what_a_message_says() -> None:
    error = Frame(side=Side.SERVER, kind="ErrorResponse", data=message("E", b"SERROR\0C40001\0Msecret\0\0"))
    assert (sqlstate(error), loggable(error)) == ("40001", "40001")
    tag = Frame(side=Side.SERVER, kind="CommandComplete", data=message("C", b"INSERT 0 1\0"))
    assert (command_tag(tag), loggable(tag)) == ("INSERT 0 1", "INSERT 0 1")
    end = Frame(side=Side.SERVER, kind="ReadyForQuery", data=message("Z", b"T"))
    assert (transaction_status(end), loggable(end)) == ("T", "T")
    parse = Frame(side=Side.CLIENT, kind="Parse", data=message("P", b"s1\0SELECT 1\0\0\0"))
    assert strings(parse, 2) == ("s1", "SELECT 1")
    assert strings(Frame(side=Side.CLIENT, kind="Bind", data=message("B", b"\xff")), 2) == ("\ufffd", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("select 'secret'", "SELECT"),
        ("  COMMIT;", "COMMIT"),
        ("secret", ""),
        ("selected", ""),
        ("ALTER ROLE r PASSWORD 'secret'", "ALTER"),
        ("", ""),
    ],
)
def test_of_a_statement_only_a_known_first_word_is_shown(text: str, shown: str) -> None:
    assert loggable(Frame(side=Side.CLIENT, kind="Query", data=query(text)), text) == shown


@given(data=st.binary(max_size=200))
def test_malformed_content_reads_as_something_and_never_raises(data: bytes) -> None:
    for side in Side:
        for kind, name in KINDS[side].items():
            frame = Frame(side=side, kind=name, data=message(chr(kind), data))
            assert len(strings(frame, 2)) == 2
            assert isinstance(loggable(frame), str)
