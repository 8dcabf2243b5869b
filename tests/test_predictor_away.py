"""A predictor that is not there, or goes away: what the client of the transformer is told."""

from __future__ import annotations

import signal
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

from halves import predictor, site, transformer
from liftwing_host.pytest_plugin import LiveHost, Reply
from predictor_stand_in import PredictorStandIn, answer

UNAVAILABLE = "The predictor of model whole is not available. Try again later."


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return site(tmp_path_factory.mktemp("halves"))


def test_a_predictor_that_is_not_there_is_a_503_and_answers_once_it_is(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    front = transformer(environ, f"127.0.0.1:{port}", "whole")
    back = None
    try:
        assert front.ready("whole"), "a transformer is ready whatever its predictor is"
        reply = front.post({})
        assert (reply.status, reply.json()) == (503, {"error": UNAVAILABLE})
        assert reply.headers["retry-after"] == "1"
        assert f"the predictor of model whole at 127.0.0.1:{port}: ClientConnectorError" in front.log
        back = predictor(environ, "whole", arguments=["--port", str(port)])
        assert front.predict({"a": 1})["told"]["got"] == {"a": 1}
    finally:
        front.stop()
        if back is not None:
            back.stop()


def test_a_predictor_that_comes_back_in_a_moment_is_not_noticed(environ: dict[str, str]) -> None:
    """A connection that could not be made is tried again: nothing was processed."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{closed.getsockname()[1]}"
        front = transformer(environ, at, "whole", arguments=["--log-level", "debug"])
        try:
            with ThreadPoolExecutor(1) as client:
                reply = client.submit(front.post, {})
                # Bound and not listening, the port refuses.
                front.wait_for(lambda: f"connecting to {at} again: " in front.log, "an attempt")
                closed.listen()
                connection, _ = closed.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"got":1}')
                    assert reply.result().json()["told"] == {"got": 1}
        finally:
            front.stop()


def test_a_name_that_nobody_knows_is_a_503(environ: dict[str, str], liftwing: Any) -> None:
    host = liftwing("whole", environ=environ, arguments=["--predictor-host", "predictor.invalid:8080"])
    reply = host.post({})
    assert (reply.status, reply.json()) == (503, {"error": UNAVAILABLE})
    assert "predictor.invalid" not in reply.body.decode()


def test_a_predictor_is_asked_over_https_if_its_certificate_is_right(
    environ: dict[str, str], tmp_path: Path, liftwing: Any
) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    for name, status in (("127.0.0.1", 200), ("127.0.0.2", 503)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        with PredictorStandIn(answer(200, {"got": 1}), context) as stand_in:
            host = liftwing(
                "whole",
                environ=environ | {"REQUESTS_CA_BUNDLE": str(bundle)},
                arguments=["--predictor_host", stand_in.at, "--predictor_use_ssl=true"],
            )
            assert host.post({}).status == status
            assert len(stand_in.asked) == (status == 200)
    assert "ClientConnectorCertificateError" in host.log


def test_one_that_speaks_no_tls_is_a_503(environ: dict[str, str], liftwing: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        at = f"127.0.0.1:{listener.getsockname()[1]}"
        host = liftwing("whole", environ=environ, arguments=["--predictor-host", at, "--predictor-use-ssl"])
        with ThreadPoolExecutor(1) as client:
            reply = client.submit(host.post, {})
            for _ in range(3):
                connection, _ = listener.accept()
                with connection:
                    hello = connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                assert hello[:2] == b"\x16\x03", "that is how TLS begins"
            assert (reply.result().status, reply.result().json()) == (503, {"error": UNAVAILABLE})


def test_a_predictor_that_is_killed_in_the_middle_costs_that_request_alone(environ: dict[str, str]) -> None:
    back = predictor(environ, "whole")
    front = transformer(environ, f"127.0.0.1:{back.port}", "whole")
    again = None
    try:
        with ThreadPoolExecutor(1) as client:
            reply = client.submit(front.post, {"sleep": 60})
            front.wait_for(lambda: _busy(back), "the request at the predictor")
            back.process.send_signal(signal.SIGKILL)
            assert reply.result().status == 503
        assert front.post({}).status == 503
        again = predictor(environ, "whole", arguments=["--port", str(back.port)])
        assert front.predict({"a": 1})["told"]["got"] == {"a": 1}
    finally:
        front.stop()
        back.kill()
        if again is not None:
            again.stop()


def test_more_than_may_wait_for_the_predictor_are_refused(environ: dict[str, str]) -> None:
    released = threading.Event()

    def behave(connection: socket.socket) -> bool:
        released.wait(60)
        return answer(200, {"got": 1})(connection)

    with PredictorStandIn(behave) as stand_in:
        front = transformer(environ, stand_in.at, "whole", config={"max_concurrency": 2, "queue_size": 1})
        try:
            with ThreadPoolExecutor(4) as clients:
                under_way = [clients.submit(front.post, {}) for _ in range(2)]
                stand_in.wait_until_asked(2)
                waiting = clients.submit(_asked_until_it_is_let_in, front, "5")
                front.wait_for(
                    lambda: (
                        waiting.done() or front.post({}, headers={"X-Request-Timeout": "0.2"}).status == 503
                    ),
                    "a full queue",
                )
                assert waiting.result().json() == {
                    "error": "The request to whole ran out of time (5 s) in the queue."
                }
                released.set()
                assert [reply.result().status for reply in under_way] == [200, 200]
            assert front.post({}).status == 200
        finally:
            released.set()
            front.stop()


def _asked_until_it_is_let_in(host: LiveHost, seconds: str) -> Reply:
    while (reply := host.post({}, headers={"X-Request-Timeout": seconds})).status == 503:
        pass
    return reply


def _busy(host: LiveHost) -> bool:
    """Whether the predictor's only worker is busy: what comes now waits."""
    return host.post({}, headers={"X-Request-Timeout": "0.3"}).status == 504
