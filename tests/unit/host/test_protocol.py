"""Frames over a socket pair: whole, in order, never blocking each other, descriptors included."""

from __future__ import annotations

import os
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BackendError
from penstock.host.protocol import Link

headers = st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=20), st.none()), max_size=4)


@given(st.lists(st.tuples(headers, st.binary(max_size=3000)), max_size=20))
def test_frames_arrive_whole_and_in_order(frames: list[tuple[dict[str, object], bytes]]) -> None:
    one, other = map(Link, socket.socketpair())
    received = []
    for header, payload in frames:
        assert one.send(header, payload)
        received += other.receive()
    one.close()
    while not other.closed:
        received += other.receive()
    other.close()
    assert received == frames


def test_two_ends_that_both_send_much_do_not_block_each_other() -> None:
    one, other = map(Link, socket.socketpair())
    big = b"x" * 2_000_000
    got: dict[str, list[int]] = {"one": [], "other": []}

    def talk(link: Link, name: str) -> None:
        link.send({"from": name}, big)
        while not got[name]:
            link.wait()
            got[name] += [len(payload) for _, payload in link.receive()]

    threads = [threading.Thread(target=talk, args=(link, name)) for link, name in ((one, "one"), (other, "other"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {"one": [len(big)], "other": [len(big)]}
    one.close()
    other.close()


def test_a_descriptor_travels_with_its_frame() -> None:
    one, other = map(Link, socket.socketpair())
    read, write = os.pipe()
    one.send({"do": "open"}, descriptors=[write])
    os.close(write)
    other.wait()
    assert other.receive() == [({"do": "open"}, b"")]
    (received,) = other.descriptors
    os.write(received, b"same pipe")
    os.close(received)
    assert os.read(read, 100) == b"same pipe"
    os.close(read)
    one.close()
    other.close()


def test_a_gone_end_is_seen() -> None:
    one, other = map(Link, socket.socketpair())
    other.close()
    assert not one.send({"do": "run"})
    assert one.closed
    one.close()


@pytest.mark.parametrize(
    "foreign",
    [
        b"Welcome to this image\n",
        b"\n\n\n\n\n\n\n\n",
        b"\x00\x00\x00\x02\xff\xff\xff\xff{}",
        b"\x00\x00\x00\x04\x00\x00\x00\x00nope",
        b"\x00\x00\x00\x02\x00\x00\x00\x00[]",
    ],
)
def test_bytes_that_are_no_frame_are_refused_and_end_the_talk(foreign: bytes) -> None:
    ours, theirs = socket.socketpair()
    other = Link(theirs)
    ours.sendall(foreign)
    with pytest.raises(BackendError, match="no frame") as told:
        other.receive()
    assert repr(foreign)[2:-1] in told.value.message
    assert other.closed
    ours.close()
    other.close()
