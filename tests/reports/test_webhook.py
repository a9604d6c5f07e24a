"""The webhook: a body that its schema accepts, and a delivery that ends in time, whatever stands at the other end."""

import copy
import json
import re
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from jsonschema import Draft202012Validator

from paragone.reports.ci.webhook import SCHEMA, Patience, deliver, webhook_body
from tests.reports.outcomes import finding, of_everything, of_many, outcome

QUICK = Patience(timeout_s=0.5, waits_s=(0.01, 0.02), longest_wait_s=0.05, total_s=2.0)
BODY = {"text": "of a test"}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@contextmanager
def receiver(*answers, headers=(), after_s=0.0):
    """A server that gives these answers in turn, the last one for ever; yields its address and the list of what arrived."""
    arrived = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.append((self.command, self.path, dict(self.headers), body))
            time.sleep(after_s)
            self.send_response(answers[min(len(arrived), len(answers)) - 1])
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self):
            arrived.append(("GET", self.path, dict(self.headers), b""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None  # a client that no longer waits
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", arrived
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def talker(*pieces, pause_s=0.0):
    """A server that answers every connection with these bytes, without reading; yields its address."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.02)

        def talk():
            while not ended.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                with connection:
                    for piece in pieces:
                        try:
                            connection.sendall(piece)
                        except OSError:
                            break
                        if ended.wait(pause_s):
                            break

        thread = threading.Thread(target=talk)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


# --- the body -----------------------------------------------------------------------------------------------------------


def validator():
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize(
    "told",
    [
        of_everything(),
        outcome(),
        outcome(problem="the run holds no record", strict=True),
        outcome(finding("warming up")),
        outcome(finding("missing"), skipped=["x"] * 500),
        of_many(300),
    ],
    ids=["everything", "nothing", "a problem", "warming up", "skipped", "many"],
)
def test_the_body_is_what_the_schema_says(told):
    body = json.loads(json.dumps(webhook_body(told), allow_nan=False))
    assert list(validator().iter_errors(body)) == []
    assert body["exit_code"] == told.exit_code
    assert body["series"]["total"] == sum(body["series"]["states"].values())


def test_the_schema_refuses_what_is_wrong():
    """Everything that a body has is required, nothing else is allowed, and types are told apart."""
    good, reader = webhook_body(of_everything()), validator()
    for path in ((), ("run",), ("series",), ("failing", 0), ("waiting", 0), ("not_judged", 0), ("skipped",)):
        where = good
        for step in path:
            where = where[step]
        for name in where:
            bad = copy.deepcopy(good)
            inner = bad
            for step in path:
                inner = inner[step]
            del inner[name]
            assert not reader.is_valid(bad), (path, name)
            inner[name] = {"neither": "nor"}
            assert not reader.is_valid(bad), (path, name)
        bad = copy.deepcopy(good)
        inner = bad
        for step in path:
            inner = inner[step]
        inner["unheard of"] = 1
        assert not reader.is_valid(bad), path


def test_the_body_tells_the_alert():
    told = of_everything()
    alert = {a["metric"]: a for a in webhook_body(told)["failing"]}["train_step_s"]
    assert alert["id"] == told.failing[[f.key.metric for f in told.failing].index("train_step_s")].alert.id
    assert alert["pairs"] == 5
    assert alert["low"] < alert["effect"] < alert["high"]
    assert (alert["before"], alert["after"]) == (pytest.approx(0.002), pytest.approx(0.00242))
    assert webhook_body(told)["standing"][0]["acknowledged"]["until"] == "2026-04-01"


# --- delivery -------------------------------------------------------------------------------------------------------------


def test_a_body_arrives_whole():
    body = webhook_body(of_everything())
    with receiver(200) as (address, arrived):
        assert deliver(f"{address}/hook?token=1", body, QUICK) is None
    (method, path, headers, content) = arrived[0]
    assert (method, path, headers["Content-Type"]) == ("POST", "/hook?token=1", "application/json")
    assert json.loads(content) == json.loads(json.dumps(body))


def test_a_body_is_written_to_a_file(tmp_path):
    assert deliver(str(tmp_path / "new" / "body.json"), BODY) is None
    assert json.loads((tmp_path / "new" / "body.json").read_text()) == BODY
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file" / "body.json", "nul\0"):
        assert deliver(str(target), BODY).startswith("webhook not delivered: ")


@pytest.mark.parametrize(
    ("answers", "tries", "said"),
    [
        ((200,), 1, None),
        ((204,), 1, None),
        ((500, 200), 2, None),
        ((503, 429, 202), 3, None),
        ((500,), 3, "answered 500 (3 tries)"),
        ((429,), 3, "answered 429 (3 tries)"),
        ((404,), 1, "answered 404 (1 try)"),
        ((500, 400), 2, "answered 400 (2 tries)"),
        ((301,), 1, "answered 301: the address has moved, give the new one (1 try)"),
        ((307,), 1, "answered 307: the address has moved, give the new one (1 try)"),
    ],
)
def test_what_is_tried_again(answers, tries, said):
    with receiver(*answers, headers=[("Location", "/elsewhere")]) as (address, arrived):
        told = deliver(address, BODY, QUICK)
    assert told == (said and f"webhook to http://127.0.0.1 not delivered: {said}")
    assert [method for method, *_ in arrived] == ["POST"] * tries


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert deliver(f"http://127.0.0.1:{port}", BODY, QUICK) == (
        "webhook to http://127.0.0.1 not delivered: Connection refused (3 tries)"
    )


def test_a_slow_receiver_costs_no_more_than_was_said():
    with receiver(200, after_s=5.0) as (address, arrived):
        began = time.monotonic()
        told = deliver(address, BODY, Patience(0.2, (0.01, 0.01), 0.1, 4.0))
        assert time.monotonic() - began < 3.0
    assert told == "webhook to http://127.0.0.1 not delivered: no answer within 0.2 s (3 tries)"
    assert len(arrived) == 3


def test_a_receiver_that_drips_is_not_waited_for():
    """Each byte comes in time, the answer never does: a timeout of the socket alone would wait for ever."""
    with talker(*[b"H"] * 1000, pause_s=0.02) as address:
        began = time.monotonic()
        told = deliver(address, BODY, Patience(0.2, (0.01,), 0.1, 2.0))
        assert time.monotonic() - began < 1.5
    assert re.search(r"no answer .*\(2 tries\)", told)


@pytest.mark.parametrize("bytes_", [b"\x00\xff garbage\r\n\r\n", b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_garbage_is_no_answer(bytes_):
    with talker(bytes_) as address:
        told = deliver(address, BODY, QUICK)
    assert told.startswith("webhook to http://127.0.0.1 not delivered: ")
    assert told.endswith(" (3 tries)")


@pytest.mark.parametrize(
    ("asked", "least_s", "most_s"), [("0", 0, 0.4), ("3600", 0.1, 1), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0.4), ("soon", 0.2, 1)]
)
def test_retry_after_is_heard_within_limits(asked, least_s, most_s):
    with receiver(503, 200, headers=[("Retry-After", asked)]) as (address, arrived):
        began = time.monotonic()
        assert deliver(address, BODY, Patience(1.0, (0.2,), 0.1, 5.0)) is None
        assert least_s <= time.monotonic() - began < most_s + 1
    assert len(arrived) == 2


def test_the_whole_is_bounded():
    with receiver(500, headers=[("Retry-After", "5")]) as (address, _):
        began = time.monotonic()
        deliver(address, BODY, Patience(5.0, (5.0, 5.0), 5.0, 0.3))
        assert time.monotonic() - began < 2
    assert Patience().total_s <= 45


@pytest.mark.parametrize(
    "address",
    [
        "http://user:SECRET@127.0.0.1:{port}/SECRET?key=SECRET#SECRET",
        "http://127.0.0.1:{port}/SECRET SECRET\n",
        "http://[SECRET/",
        "http://127.0.0.1:SECRET/",
        "ftp://SECRET@host/",
        "https://:1/SECRET",
        "http://SECRET@/x",
        "http://a\ud800b/SECRET",
        "://SECRET",
    ],
)
def test_no_secret_is_printed_and_nothing_is_raised(address):
    with receiver(404) as (where, _):
        told = deliver(address.format(port=where.rpartition(":")[2]), BODY, QUICK)
    assert told.startswith("webhook ")
    assert "SECRET" not in told
    assert "\n" not in told


def test_a_name_and_password_are_sent_as_such():
    with receiver(200) as (address, arrived):
        assert deliver(address.replace("//", "//me:p%40ss@"), BODY, QUICK) is None
    assert arrived[0][2]["Authorization"] == "Basic bWU6cEBzcw=="
    assert "@" not in arrived[0][2]["Host"]
