"""What others on the same machine, or pages in the same browser, might try."""

import http.client
import json
import socket

import pytest
from support.label_server import open_store, run_with_pairs, serving

GOOD = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_with_pairs(tmp_path_factory.mktemp("attacks") / "run", pairs=3)


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder) as server:
        assert call(server, "GET", "/question")[0] == 200
        yield server


def call(server, method, path, body=None, headers=None, token=None):
    """Send a request; returns status, headers and text."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    origin = {"Origin": f"http://127.0.0.1:{server.port}"} if method == "POST" else {}
    token = server.token if token is None else token
    sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
    connection.request(method, f"/{token}{path}", sent, {**origin, **(headers or {})})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, dict(response.getheaders()), text


@pytest.fixture
def nothing_is_written(folder):
    with open_store(folder) as store:
        before = store.log(), store.unanswered("ann")
        yield
        assert (store.log(), store.unanswered("ann")) == before


def answer(server, **changes):
    showing = json.loads(call(server, "GET", "/question")[2])["pair"]["showing"]
    return {"showing": showing, "choice": "left", **changes}


pytestmark = pytest.mark.usefixtures("nothing_is_written")


@pytest.mark.parametrize("token", ["", "wrong", "%00", "é", "a" * 600])
@pytest.mark.parametrize("path", ["/", "/question", "/answer", "/label.js"])
def test_without_the_token_nothing_is_told(server, token, path):
    from urllib.parse import quote

    for method in ("GET", "POST"):
        status, _, text = call(server, method, path, token=quote(token, safe="%"))
        assert status in (403, 414)
        assert "pair" not in text
        assert "script" not in text


def test_a_token_that_is_nearly_right_is_wrong(server):
    for token in (server.token[:-1], server.token + "x", server.token.swapcase()):
        assert call(server, "GET", "/question", token=token)[0] == 403


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil.example", "evil.example:8765", "[::1]", ""),
        *("evil@127.0.0.1", "127.0.0.1#evil", "127.0.0.1/evil", "127.0.0.1:x"),
    ],
)
def test_other_hosts_are_refused(server, host):
    assert call(server, "GET", "/question", headers={"Host": host})[0] == 403
    body = answer(server)
    assert call(server, "POST", "/answer", body, {"Host": host, **GOOD})[0] == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"]
)
def test_other_origins_are_refused(server, origin):
    body = answer(server)
    assert call(server, "POST", "/answer", body, {"Origin": origin})[0] == 403
    assert call(server, "POST", "/undo", {}, {"Origin": origin})[0] == 403
    assert call(server, "GET", "/question", headers={"Origin": origin})[0] == 403


SAID = "HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = "Origin: http://127.0.0.1\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "text",
    [
        f"GET /TOKEN/question {SAID}Host: evil.example\r\n\r\n",
        f"GET /TOKEN/question {SAID}Origin: http://127.0.0.1\r\nOrigin: http://e\r\n\r\n",
        f"POST /TOKEN/undo {SAID}{CHUNKED}Transfer-Encoding: x\r\n\r\n0\r\n\r\n",
        f"POST /TOKEN/undo {SAID}{CHUNKED}\r\n-2\r\n{{}}\r\n0\r\n\r\n",
        f"POST /TOKEN/undo {SAID}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}",
        f"POST /TOKEN/undo {SAID}Content-Length: 2_0\r\n\r\n{{}}",
        f"GET /TOKEN/question {SAID}{'X: y' * 50_000}\r\n\r\n",
        f"GET /TOKEN/ques\0tion {SAID}\r\n",
        f"GET /TOKEN\\question {SAID}\r\n",
        f"GET /TOKEN%0d%0aX:y {SAID}\r\n",
        "GET /TOKEN/question HTTP/9999.1\r\nHost: 127.0.0.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\0" * 100_000,
    ],
    ids=range(13),
)
def test_requests_of_a_wrong_shape_are_refused_and_closed(server, text):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        said = b""
        try:
            sock.sendall(text.replace("TOKEN", server.token).encode())
            while piece := sock.recv(4096):  # until it is closed
                said += piece
        except (BrokenPipeError, ConnectionResetError):
            pass  # it hung up before all was said
    assert said[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.1 403 ", b"")
    assert call(server, "GET", "/question")[0] == 200


def test_a_request_that_does_not_say_where_it_comes_from_is_refused(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    body = json.dumps(answer(server))
    connection.request("POST", f"/{server.token}/answer", body)
    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"left"',
        b"\xff\xfe",
        b"[" * 900,
        b"[" * 1024,
        {},
        {"showing": 1},
        {"showing": 1, "choice": "left", "label": 0.0},
    ],
)
def test_malformed_answers_are_refused(server, body):
    status, _, text = call(server, "POST", "/answer", body, GOOD)
    assert status == 400
    assert "error" in json.loads(text)


@pytest.mark.parametrize("choice", ["", "LEFT", "best", 1, None, ["left"], {"a": 1}])
def test_choices_that_are_none_are_refused(server, choice):
    body = answer(server, choice=choice)
    assert call(server, "POST", "/answer", body, GOOD)[0] == 400


@pytest.mark.parametrize(
    "showing", [0, -1, 10**6, 2**63, 10**30, 1.0, True, "1", None, "1 OR 1=1"]
)
def test_showings_that_are_none_are_refused(server, showing):
    body = answer(server, showing=showing)
    assert call(server, "POST", "/answer", body, GOOD)[0] == 400


def test_what_somebody_else_was_shown_cannot_be_answered(server, folder):
    with open_store(folder) as store:
        other = store.show(store.questions()[2].id, "bob", flipped=False)
    body = {"showing": other.id, "choice": "left"}
    assert call(server, "POST", "/answer", body, GOOD)[0] == 400


@pytest.mark.parametrize("body", [b"", b"[]", {"all": True}])
def test_malformed_undos_are_refused(server, body):
    assert call(server, "POST", "/undo", body, GOOD)[0] == 400


def test_an_oversized_answer_is_refused(server):
    body = json.dumps(answer(server, note="x" * 2000)).encode()
    assert call(server, "POST", "/answer", body, GOOD)[0] == 413


def test_an_endless_answer_is_cut_off(server):
    """Its length is not told beforehand: 1 MB comes in pieces."""
    origin = f"http://127.0.0.1:{server.port}"
    head = (
        f"POST /{server.token}/answer HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Origin: {origin}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(head.encode())
        piece = b"400\r\n" + b"x" * 1024 + b"\r\n"
        try:
            for _ in range(1024):
                sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it hung up
        else:
            assert b" 413 " in sock.recv(200)
    assert call(server, "GET", "/question")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/config.json",
        "/label.js/../../web.py",
        "//etc/passwd",
        "/preferences.sqlite",
        "/config.json",
        "/label.html",
        "/label.js%00.html",
        "/page/label.js",
    ],
)
def test_no_path_leads_to_another_file(server, path):
    status, _, text = call(server, "GET", path)
    assert status in (403, 404)
    assert "root:" not in text
    assert len(text) < 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_do_nothing(server, method):
    headers = {"Origin": f"http://127.0.0.1:{server.port}"}
    assert call(server, method, "/answer", headers=headers)[0] in (404, 405)


def test_every_response_forbids_what_it_can(server):
    for method, path in (("GET", "/"), ("GET", "/question"), ("POST", "/answer")):
        _, headers, _ = call(server, method, path, b"{}")
        headers = {name.lower(): value for name, value in headers.items()}
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_it_listens_on_this_machine_alone(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5):
        pass
    # Whoever listens on every address listens on this one, which is of this machine.
    with pytest.raises(OSError, match=r"refused|unreachable|assign|timed out"):
        socket.create_connection(("127.0.0.2", server.port), timeout=5)
