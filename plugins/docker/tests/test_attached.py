"""The attached streams of a container, however the engine cuts them."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BackendError
from penstock_docker.attached import Attached

pieces = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=300)), max_size=20)


@given(pieces, st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_output_arrives_whole_and_the_error_stream_is_remembered(
    pieces: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    ours, theirs = socket.socketpair()
    stream = Attached(theirs)
    stream.setblocking(False)
    data = b"".join(struct.pack(">BxxxI", of, len(piece)) + piece for of, piece in pieces)
    got, at = b"", 0
    while at < len(data):
        size = cuts[at % len(cuts)]
        ours.sendall(data[at : at + size])
        at += size
        try:
            got += stream.recv(1 << 16)
        except BlockingIOError:
            continue
    ours.close()
    assert stream.recv(1 << 16) == b"", "the end"
    assert got == b"".join(piece for of, piece in pieces if of == 1)
    assert stream.tail == b"".join(piece for of, piece in pieces if of == 2)[-4096:]
    stream.close()
    stream.close()


def test_a_stream_over_tls_waits_and_hides_nothing() -> None:
    authority = trustme.CA()
    served, trusts = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("engine").configure_cert(served)
    authority.configure_trust(trusts)
    one, other = socket.socketpair()
    with ThreadPoolExecutor(1) as threads:
        far = threads.submit(served.wrap_socket, one, server_side=True)
        stream = Attached(trusts.wrap_socket(other, server_hostname="engine"))
        engine = far.result()
    stream.setblocking(False)
    with pytest.raises(BlockingIOError):
        stream.recv(1 << 20)
    pieces = [b"a" * 9_000, b"b" * 9_000, b"c" * 9_000]  # more than one record of TLS
    engine.sendall(b"".join(struct.pack(">BxxxI", 1, len(piece)) + piece for piece in pieces))
    got = b""
    while len(got) < 27_000:
        assert select.select([stream], [], [], 60)[0], "what was decoded already must have been given"
        with contextlib.suppress(BlockingIOError):
            got += stream.recv(1 << 20)
    assert got == b"".join(pieces)
    assert stream.send(b"x") == 1
    assert engine.recv(10) == b"x"
    engine.close()
    stream.close()


def test_bytes_that_the_engine_did_not_frame_are_refused() -> None:
    ours, theirs = socket.socketpair()
    stream = Attached(theirs)
    ours.sendall(b"HTTP/1.1 500 no\r\n")
    with pytest.raises(BackendError, match="no such piece"):
        stream.recv(100)
    ours.close()
    stream.close()


def test_variables_are_one_line() -> None:
    ours, theirs = socket.socketpair()
    stream = Attached(theirs)
    stream.give({"A": "ü\n\"", "B": ""})
    assert ours.recv(1000) == b'{"A": "\\u00fc\\n\\"", "B": ""}\n'
    ours.close()
    stream.close()
