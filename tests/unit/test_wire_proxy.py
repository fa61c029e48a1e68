"""The proxy against a server that only says what it is told: garbage, ends of connections, leaving without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_bytes import BOUND_S, STARTUP, ScriptedServer, dial, done, query, read_to_end, ready, request

from harness.errors import DriverError, UsageError
from harness.wire import BlackHole, Delay, Drop, End, Proxy, Side, Trigger, What
from harness.wire.stream import Stream

QUERY = Trigger(side=Side.CLIENT, kind="Query")
READY = Trigger(side=Side.SERVER, kind="ReadyForQuery")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wire")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ScriptedServer]:
    with ScriptedServer(folder) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path) as made:
        yield made


def path(proxy: Proxy) -> str:
    return f"{proxy.folder}/.s.PGSQL.5432"


def proxy_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "wire proxy"}


def whats(proxy: Proxy, connection: int) -> list[What]:
    return [entry.what for entry in proxy.log.entries() if entry.connection == connection]


@pytest.fixture(scope="module")
def fuzzed(server: ScriptedServer) -> Iterator[Proxy]:
    """One proxy for all examples of garbage: it must survive them all. `close` raises if anything went wrong inside."""
    with Proxy(server.conninfo) as proxy:
        yield proxy
        server.reply, server.hangs_up = ready(), False
        with dial(path(proxy)) as client:
            assert client.recv(100) == ready()


GARBAGE = st.binary(max_size=300)


@settings(max_examples=60)
@given(garbage=GARBAGE, began=st.booleans())
def test_garbage_of_a_client_ends_its_connection(
    fuzzed: Proxy, server: ScriptedServer, garbage: bytes, began: bool
) -> None:
    server.reply, server.hangs_up = b"", False
    count = len(server.heard)
    with dial(path(fuzzed)) as client:
        client.sendall((STARTUP if began else b"") + garbage)
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client).strip(b"N") == b""
    assert len(server.await_heard(count + 1)) == count + 1  # its side was closed as well


@settings(max_examples=60)
@given(garbage=GARBAGE, began=st.booleans())
def test_garbage_of_a_server_ends_the_connection(
    fuzzed: Proxy, server: ScriptedServer, garbage: bytes, began: bool
) -> None:
    server.reply, server.hangs_up = (ready() if began else b"") + garbage, True
    with dial(path(fuzzed)) as client:
        with contextlib.suppress(BrokenPipeError):  # it may be over already
            client.sendall(STARTUP)
        assert server.reply.startswith(read_to_end(client))


def test_what_is_no_protocol_is_logged_without_being_quoted(fresh: ScriptedServer) -> None:
    with Proxy(fresh.conninfo) as proxy:
        with dial(path(proxy)) as client:
            client.sendall(STARTUP + b"?geheim")
            assert read_to_end(client) == b""
        broken = proxy.log.await_entry(What.BROKEN, connection=1, timeout_s=BOUND_S)
        assert broken.detail == "the client sent a message of an unknown type"
        assert fresh.await_heard(1) == [STARTUP]
        assert "geheim" not in repr(proxy.log.entries())


def test_tls_is_refused_and_then_everything_passes_unchanged(fresh: ScriptedServer) -> None:
    sent = STARTUP + query("SELECT 1") + query("b")[:-1]  # the last message stays incomplete
    with Proxy(fresh.conninfo) as proxy:
        with dial(path(proxy)) as client:
            client.sendall(request(80877104))
            assert client.recv(1) == b"N"
            client.sendall(request(80877103) + sent)
            client.shutdown(socket.SHUT_WR)
            assert read_to_end(client) == b"N"
        assert fresh.await_heard(1) == [sent]
        assert whats(proxy, 1).count(What.REFUSED) == 2


def test_a_request_to_cancel_passes(fresh: ScriptedServer) -> None:
    cancel = request(80877102, b"12345678")
    with Proxy(fresh.conninfo) as proxy:
        with dial(path(proxy)) as client:
            client.sendall(cancel)
            client.shutdown(socket.SHUT_WR)
            assert read_to_end(client) == b""
        assert fresh.await_heard(1) == [cancel]


@pytest.mark.parametrize("passed", [0, 1, 4, 5, 9, 10**6, None])
def test_exactly_so_many_bytes_of_a_message_pass(fresh: ScriptedServer, passed: int | None) -> None:
    lost = query("COMMIT")
    with Proxy(fresh.conninfo, [Drop(when=QUERY, passed=passed)]) as proxy:
        with dial(path(proxy)) as client:
            client.sendall(STARTUP + lost + query("SELECT 1"))
            assert read_to_end(client) == b""
        assert fresh.await_heard(1) == [STARTUP + lost[:passed]]
        (strike,) = proxy.log.strikes()
        assert (strike.connection, strike.kind, strike.size, strike.detail) == (1, "Query", len(lost), "COMMIT")


def test_exactly_so_many_bytes_of_an_answer_pass(fresh: ScriptedServer) -> None:
    fresh.reply = done("COMMIT") + ready()
    with Proxy(fresh.conninfo, [Drop(when=READY, passed=3)]) as proxy, dial(path(proxy)) as client:
        client.sendall(STARTUP)
        assert read_to_end(client) == done("COMMIT") + ready()[:3]


def test_a_delay_holds_one_direction_and_keeps_the_order(fresh: ScriptedServer) -> None:
    late = Delay(when=QUERY, seconds=0.05)
    with Proxy(fresh.conninfo, [late]) as proxy:
        with dial(path(proxy)) as client:
            client.sendall(STARTUP + query("a") + query("b"))
            client.shutdown(socket.SHUT_WR)
            assert read_to_end(client) == b""
        assert fresh.await_heard(1) == [STARTUP + query("a") + query("b")]
        assert [strike.fault for strike in proxy.log.strikes()] == [late]


def test_a_black_hole_swallows_even_the_end_until_it_is_released(fresh: ScriptedServer) -> None:
    with Proxy(fresh.conninfo, [BlackHole(when=QUERY)]) as proxy:
        with dial(path(proxy)) as client:
            client.sendall(STARTUP + query("a") + query("b"))
            proxy.log.await_strikes(1, timeout_s=BOUND_S)
        with dial(path(proxy)) as other:  # the hole is that connection's alone
            other.sendall(STARTUP)
            other.shutdown(socket.SHUT_WR)
            assert read_to_end(other) == b""
        assert fresh.await_heard(1) == [STARTUP]  # the other one's
        assert What.ENDED not in whats(proxy, 1)
        proxy.release()
        assert fresh.await_heard(2)[1] == STARTUP + query("a") + query("b")
        proxy.log.await_entry(What.RELEASED, connection=1, timeout_s=BOUND_S)
        proxy.release()
        proxy.log.await_entry(What.ENDED, connection=1, timeout_s=BOUND_S)
        assert whats(proxy, 1).count(What.RELEASED) == 1


def test_no_answer_slips_through_while_a_lost_message_is_passed_on(tmp_path: Path) -> None:
    """The server reads nothing until it has answered, so the message, too large for any buffer, is still on its way."""
    asked = query("COMMIT " + "x" * 8_000_000)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/.s.PGSQL.5432")
        listening.listen()
        with Proxy(f"host={tmp_path}", [Drop(when=QUERY, passed=None)]) as proxy, dial(path(proxy)) as client:
            server, _ = listening.accept()
            with server:
                server.settimeout(BOUND_S)
                client.sendall(STARTUP + asked)
                proxy.log.await_strikes(1, timeout_s=BOUND_S)
                server.sendall(done("COMMIT") + ready())
                assert read_to_end(server) == STARTUP + asked
                assert read_to_end(client) == b""


def test_what_was_not_read_does_not_turn_an_end_into_a_reset() -> None:
    async def end() -> bytes:
        ours, theirs = socket.socketpair()
        with theirs:
            stream = await asyncio.open_connection(sock=ours)
            stream[1].transport.pause_reading()
            theirs.sendall(b"unread")
            Stream(*stream, flush_s=BOUND_S).end(End.FIN)
            await asyncio.sleep(0)
            return theirs.recv(1)

    assert asyncio.run(end()) == b""


@pytest.mark.parametrize(("how", "seen"), [(End.RST, ConnectionResetError), (End.FIN, None)])
def test_on_tcp_the_end_is_as_it_was_asked_for(fresh: ScriptedServer, how: End, seen: type[Exception] | None) -> None:
    with Proxy(fresh.conninfo, [Drop(when=QUERY, how=how)], tcp=True) as proxy:
        port = int(proxy.tcp_conninfo.split("port=")[1].split()[0])
        with socket.create_connection(("127.0.0.1", port), BOUND_S) as client:
            client.sendall(STARTUP + query("a") + query("b" * 10_000))
            if seen is None:
                assert client.recv(1) == b""
            else:
                with pytest.raises(seen):
                    client.recv(1)


def test_a_server_that_is_not_there_ends_the_connection_and_not_the_proxy(tmp_path: Path) -> None:
    with Proxy(f"host={tmp_path} password=geheim") as proxy:
        with dial(path(proxy)) as client:
            assert read_to_end(client) == b""
        entry = proxy.log.await_entry(What.UNREACHABLE, connection=1, timeout_s=BOUND_S)
        assert entry.detail
        with ScriptedServer(tmp_path) as late:
            late.reply = ready()
            with dial(path(proxy)) as client:
                assert client.recv(100) == ready()


@pytest.mark.parametrize(
    "conninfo", ["", "host=a,b", "port=5432", "host=a port=x", "host=@hidden", "host='geheim", "host=a geheim=1"]
)
def test_a_connection_string_that_leads_nowhere_is_refused(conninfo: str) -> None:
    with pytest.raises(UsageError) as caught:
        Proxy(conninfo)
    assert "geheim" not in str(caught.value)


def test_without_tcp_there_is_no_port(fresh: ScriptedServer) -> None:
    with Proxy(fresh.conninfo) as proxy, pytest.raises(DriverError, match="tcp=True"):
        _ = proxy.tcp_conninfo


def test_the_log_says_so_when_nothing_struck(fresh: ScriptedServer) -> None:
    with Proxy(fresh.conninfo, [Drop(when=QUERY)]) as proxy:
        with pytest.raises(TimeoutError, match="no 1 strikes"):
            proxy.log.await_strikes(1, timeout_s=0)
        with pytest.raises(TimeoutError, match="no entry 'struck' of connection 1"):
            proxy.log.await_entry(What.STRUCK, connection=1, timeout_s=0)


def test_it_leaves_no_thread_socket_or_folder(fresh: ScriptedServer) -> None:
    """Closed with connections in every state: fresh, passing, black-holed, delayed."""
    fresh.reply = ready()
    process = psutil.Process()
    threads = proxy_threads()
    faults = [BlackHole(when=QUERY), Delay(when=Trigger(side=Side.CLIENT, kind="Query", nth=2), seconds=3000)]
    clients = []
    descriptors = process.num_fds()
    with contextlib.ExitStack() as clients_end:
        with Proxy(fresh.conninfo, faults, tcp=True) as proxy:
            folder = proxy.folder
            assert folder.stat().st_mode & 0o777 == 0o700
            for number, said in enumerate([b"", STARTUP, STARTUP + query("a"), STARTUP + query("b")]):
                clients.append(clients_end.enter_context(dial(path(proxy))))
                clients[-1].sendall(said)
                proxy.log.await_strikes(max(0, number - 1), timeout_s=BOUND_S)
        assert not folder.exists()
        assert proxy_threads() == threads
        for client in clients:
            assert read_to_end(client) in (b"", ready())
    fresh.await_heard(4)
    assert process.num_fds() <= descriptors
    proxy.close()
    proxy.release()


def test_a_client_that_never_reads_holds_nothing_up(fresh: ScriptedServer) -> None:
    """The server says more than the sockets hold; the proxy is closed while it waits to pass it on."""
    fresh.reply = done("x" * 8_000_000)
    with Proxy(fresh.conninfo) as proxy, dial(path(proxy)) as client:
        client.sendall(STARTUP)
        proxy.log.await_entry(What.PASSED, connection=1, timeout_s=BOUND_S)
        proxy.close()
    assert not os.path.lexists(proxy.folder)


def test_many_threads_may_look_while_it_works(fresh: ScriptedServer) -> None:
    fresh.reply = ready()
    with Proxy(fresh.conninfo) as proxy:
        seen: list[int] = []

        def look() -> None:
            while not seen:
                proxy.log.entries()
                time.sleep(0)

        looking = [threading.Thread(target=look) for _ in range(3)]
        for thread in looking:
            thread.start()
        for _ in range(20):
            with dial(path(proxy)) as client:
                client.sendall(STARTUP + query("a"))
                client.shutdown(socket.SHUT_WR)
                read_to_end(client)
        fresh.await_heard(20)
        seen.append(1)
        for thread in looking:
            thread.join(BOUND_S)
        assert [e.what for e in proxy.log.entries()].count(What.OPENED) == 20
