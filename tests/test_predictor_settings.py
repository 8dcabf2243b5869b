"""What an operator may say about the predictor and the role, and what is said to mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from command import run
from liftwing_host import ConfigurationError
from liftwing_host.server.configuration import read
from liftwing_host.server.predictor_address import PredictorAddress
from liftwing_host.server.settings import ModelSettings


def written(folder: Path, text: str) -> Path:
    path = folder / "liftwing.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("spelling", ["-", "_"])
def test_both_spellings_of_the_flags_are_taken(spelling: str) -> None:
    """The port is taken: whatever is said about the flags would be said before that."""
    flags = {"predictor-host": "p:1", "predictor-protocol": "v1", "predictor-request-timeout-seconds": "5"}
    arguments = [f"--{name.replace('-', spelling)}={value}" for name, value in flags.items()]
    for ssl in ([], ["=true"], ["=False"], ["=1"]):
        flag = f"--predictor{spelling}use{spelling}ssl{''.join(ssl)}"
        done = run("--model", "echo", "--address", "192.0.2.1", "--port", "1", *arguments, flag)
        assert done.returncode == 2, done.stderr
        assert "192.0.2.1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--predictor-protocol", "v2", "--predictor-host", "p"], "predictor_protocol='v2' is not allowed: expected one of 'v1'"),
        (["--predictor-protocol", "grpc-v2"], "neither v2 nor gRPC"),
        (["--predictor-host", "http://p:80"], "it must be without a scheme; predictor_use_ssl says"),
        (["--predictor-host", "p:80/v1"], "it must be without a path"),
        (["--predictor-host", "::1"], "an IPv6 address must be in brackets"),
        (["--predictor-host", "p:http"], "no name or address, or no port"),
        (["--role", "predictor", "--predictor_host", "p"], "role 'predictor' and predictor_host 'p' contradict each other"),
        (["--role", "all", "--predictor_host", "p"], "role 'all' and predictor_host 'p' contradict each other"),
        (["--role", "transformer"], "role 'transformer' needs predictor_host"),
        (["--role", "explainer"], "'explainer' is not one of 'all', 'transformer', 'predictor'"),
        (["--predictor-request-timeout-seconds", "0", "--predictor-host", "p"], "greater than 0"),
        (["--model", "knows", "--model_name", "x"], "is the name of one model, and 2 are to be served"),
    ],
)  # fmt: skip
def test_a_mistake_is_an_error_that_says_what_to_do(arguments: list[str], told: str) -> None:
    done = run("--model", "echo", "--port", "0", *arguments)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("p", "http://p/v1/models/a-b:predict"),
        ("p.example.org:8080", "http://p.example.org:8080/v1/models/a-b:predict"),
        ("10.0.0.7:80", "http://10.0.0.7:80/v1/models/a-b:predict"),
        ("[::1]:8080", "http://[::1]:8080/v1/models/a-b:predict"),
        ("[fe80::1]", "http://[fe80::1]/v1/models/a-b:predict"),
        ("a_b-predictor.ns.svc.cluster.local", "http://a_b-predictor.ns.svc.cluster.local/v1/models/a-b:predict"),
    ],
)  # fmt: skip
def test_a_host_with_or_without_a_port_is_taken(host: str, url: str) -> None:
    assert PredictorAddress.of(ModelSettings(predictor_host=host)).url("a-b") == url
    tls = PredictorAddress.of(ModelSettings(predictor_host=host, predictor_use_ssl=True)).url("a-b")
    assert tls == url.replace("http", "https", 1)


@pytest.mark.parametrize(
    "host",
    ["", ":80", "p:", "p:0", "p:65536", "p:-1", "p:8o", "p q", " p", "p\n", "u@p:80", "u:x@p", "[::1", "::1]:80", "[p]:80",
     "[10.0.0.1]:80", "p?x", "p#x", "-p", "é:80", "http:p", "[::1]x:80", "1:2:3"],
)  # fmt: skip
def test_what_is_no_host_and_port_is_refused(host: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"Expected HOST or HOST:PORT, such as predictor.example.org:8080"
    ):
        PredictorAddress.of(ModelSettings(predictor_host=host))


def roles(config: Path, **flags: Any) -> dict[str, tuple[str | None, str | None]]:
    settings = read(flags, config=config)
    told = {name: settings.of_model(name) for name in settings.models}
    return {name: (each.role, each.predictor_host) for name, each in told.items()}


def test_a_models_own_table_wins(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        """
        predictor_host = "all:1"
        [models.a]
        [models.b]
        predictor_host = "own:2"
        [models.c]
        role = "predictor"
        [models.d]
        role = "all"
        """,
    )
    assert roles(config) == {
        "a": ("transformer", "all:1"),
        "b": ("transformer", "own:2"),
        "c": ("predictor", "all:1"),
        "d": ("all", "all:1"),
    }
    assert roles(config, predictor_host="flag:3")["a"] == ("transformer", "flag:3")


@pytest.mark.parametrize(
    ("table", "flags"),
    [
        ('[models.a]\nrole = "predictor"\npredictor_host = "p"', {}),
        ('[models.a]\npredictor_host = "p"', {"role": "predictor"}),
        ('[models.a]\nrole = "transformer"', {}),
        ('[models.a]\nrole = "all"\npredictor_host = "p"', {}),
    ],
)
def test_a_contradiction_in_a_models_table_is_told_with_the_table(
    tmp_path: Path, table: str, flags: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match=r"^\[models.a\]: role '"):
        roles(written(tmp_path, table), **flags)


def test_a_model_named_by_model_name_alone_is_that_model(tmp_path: Path) -> None:
    config = written(tmp_path, "[models.a]\n[models.b]")
    assert (read({"model_name": "c"}, config=config).models, read({}, config=config).models) == (
        ("c",),
        ("a", "b"),
    )
    settings = read({"model_name": "c"}, ("a",))
    assert (settings.models, settings.served_as("a")) == (("a",), "c")


def test_certificates_that_are_not_there_are_an_error() -> None:
    arguments = ["--model", "echo", "--port", "0", "--predictor-host", "p", "--predictor-use-ssl"]
    done = run(*arguments, REQUESTS_CA_BUNDLE="/nowhere.pem")
    assert done.returncode == 2
    assert "REQUESTS_CA_BUNDLE='/nowhere.pem' cannot be read" in done.stderr
