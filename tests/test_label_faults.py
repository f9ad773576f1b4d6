"""Clients that hang, half requests, a locked store, people at the same moment."""

import asyncio
import http.client
import json
import signal
import socket
import sqlite3
import threading
import time

import pytest
import uvicorn
from support.label_server import open_store, run_with_pairs, serving, start_server
from uvicorn.server import ServerState

from oprl_gym.labelling import connections
from oprl_gym.labelling.connections import PageConnection

SILENT = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_with_pairs(tmp_path_factory.mktemp("faults") / "run", pairs=40)


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder, "--repeats", "0") as server:
        yield server


class Client:
    """A browser that keeps its connection."""

    def __init__(self, server):
        self._server = server
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, 30)

    def get(self, path):
        self._connection.request("GET", f"/{self._server.token}/{path}")
        return self._read()

    def post(self, path, values):
        origin = {"Origin": f"http://127.0.0.1:{self._server.port}"}
        path = f"/{self._server.token}/{path}"
        self._connection.request("POST", path, json.dumps(values), origin)
        return self._read()

    def close(self):
        self._connection.close()

    def _read(self):
        response = self._connection.getresponse()
        return response.status, response.read().decode()


@pytest.fixture
def client(server):
    client = Client(server)
    yield client
    client.close()


def connect(server, text=""):
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.sendall(text.encode())
    return connection


def first_line(server, text):
    with connect(server, text) as connection:
        return connection.recv(400).decode().splitlines()[0]


# --- requests -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_line",
    ["GET *", "GET x", "OPTIONS *", "CONNECT 127.0.0.1:80", "GET http://127.0.0.1/"],
)
@pytest.mark.parametrize("origin", ["", "Origin: http://127.0.0.1\r\n"])
def test_what_asks_for_no_path_is_a_bad_request(server, request_line, origin):
    head = f"{request_line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{origin}\r\n"
    assert first_line(server, head) == "HTTP/1.1 400 Bad Request"


def test_the_address_without_its_last_slash_leads_to_the_page(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", f"/{server.token}")
    response = connection.getresponse()
    assert response.status == 307
    assert response.getheader("Location") == f"/{server.token}/"
    connection.close()


def test_nothing_else_is_redirected_to_where_the_token_is_lost(client):
    assert client.get("question/")[0] == 404


def test_a_reply_is_not_held_back(client):
    """Nagle's algorithm and delayed acknowledgements: 41 ms a reply, kept alive."""
    times = []
    for _ in range(20):
        start = time.perf_counter()
        assert client.get("label.css")[0] == 200
        times.append(time.perf_counter() - start)
    assert sorted(times)[5] < 0.03


# --- connections --------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent", ["", "GET /", "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\n"]
)
def test_connections_that_say_nothing_keep_nobody_out(server, client, sent):
    assert client.get("question")[0] == 200
    silent = [connect(server, sent) for _ in range(SILENT)]
    newcomer = Client(server)
    assert newcomer.get("question")[0] == 200
    assert client.get("question")[0] == 200  # and those who were there stay
    newcomer.close()
    for connection in silent:
        connection.close()


def test_who_asks_without_the_token_is_shown_out(server):
    head = f"GET /wrong/ HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n"
    with connect(server, head) as connection:
        said = b""
        while piece := connection.recv(4096):  # until it is closed
            said += piece
    assert b" 403 " in said


async def ok(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_a_connection_has_to_ask_for_something_soon_and_then_often(monkeypatch):
    monkeypatch.setattr(connections, "FIRST_REQUEST_S", 0.2)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

    async def closed_after(port, sent):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        start = time.monotonic()
        writer.write(sent)
        await reader.read()
        writer.close()
        return time.monotonic() - start

    async def main():
        config = uvicorn.Config(
            ok, http=PageConnection, timeout_keep_alive=1, lifespan="off"
        )
        state = ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: PageConnection(config, state, {}), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        times = await asyncio.gather(
            *(closed_after(port, sent) for sent in (b"", request[:9], request))
        )
        server.close()
        return times

    silent, half, idle = asyncio.run(main())
    assert 0.15 < silent < 0.9
    assert 0.15 < half < 0.9
    assert idle > 0.9


def send_again(connection: socket.socket, requests: bytes, times: int) -> None:
    """Send more than the kernel holds for a server that does not read: tens of MB."""
    for _ in range(times):
        connection.sendall(requests)


def test_ctrl_c_ends_it_promptly_whoever_hangs(folder, capfd):
    server = start_server(folder)
    head = f"HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    origin = f"Origin: http://127.0.0.1:{server.port}\r\n"
    answer = f"POST /{server.token}/answer {head}{origin}Content-Length: 40\r\n\r\n"
    hanging = [
        connect(server, text) for text in ("", answer[:20], answer, answer + "{")
    ]
    deaf = connect(server)  # asks and asks, and does not read
    deaf.settimeout(0.3)
    requests = f"GET /{server.token}/label.js {head}\r\n".encode() * 500_000
    with pytest.raises(TimeoutError):
        send_again(deaf, requests, times=10)
    time.sleep(0.3)
    start = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(10) == 130
    assert time.monotonic() - start < 3
    server.kill()
    assert "Traceback" not in capfd.readouterr().err
    for connection in (*hanging, deaf):
        connection.close()


# --- the store ----------------------------------------------------------------------


def test_while_the_store_is_locked_files_go_out_and_the_page_is_told(folder):
    with serving(folder, "--annotator", "lock") as server:
        client, other = Client(server), Client(server)
        showing = json.loads(client.get("question")[1])["pair"]["showing"]
        answer = {"showing": showing, "choice": "left"}
        writer = sqlite3.connect(folder.preferences, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        told = []
        thread = threading.Thread(
            target=lambda: told.append(client.post("answer", answer))
        )
        thread.start()
        times = []
        while thread.is_alive():
            start = time.monotonic()
            assert other.get("label.js")[0] == 200
            times.append(time.monotonic() - start)
        thread.join()
        (status, text), *_ = told
        assert status == 503
        assert "is locked" in json.loads(text)["error"]
        assert max(times) < 1
        assert other.get("question")[0] == 200  # the pair that is on the page
        writer.execute("ROLLBACK")
        writer.close()
        assert client.post("answer", answer)[0] == 200
        client.close()
        other.close()
    with open_store(folder) as store:
        assert [row.showing.id for row in store.answers("lock")] == [showing]


def test_people_who_ask_at_the_same_moment_are_shown_different_pairs(tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=40)
    options = "--repeats", "0", "--annotator"
    with (
        serving(folder, *options, "bob") as one,
        serving(folder, *options, "cem") as two,
    ):

        def label(server):
            client = Client(server)
            while (pair := json.loads(client.get("question")[1])["pair"]) is not None:
                showing = pair["showing"]
                client.post("answer", {"showing": showing, "choice": "left"})
            client.close()

        people = [threading.Thread(target=label, args=(one,)) for one in (one, two)]
        for person in people:
            person.start()
        for person in people:
            person.join()
    with open_store(folder) as store:
        rows = store.answers()
        assert sorted(row.question.id for row in rows) == list(range(1, 41))
        shown = store._database.number("SELECT count(*) FROM showings")
        assert shown == 40
