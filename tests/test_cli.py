"""The command line, as a newcomer meets it: what it lists, and what it says to typing errors."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from command import COMMAND, run
from distributions import install, path_with
from liftwing_host.errors import PluginNotFound
from liftwing_host.pytest_plugin import LiveHost
from liftwing_host.server.discovery import Catalogue


def test_serve_is_implied_and_kserves_spellings_are_accepted() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments in (
            ["--model", "echo", "--port", port],
            ["--model_name", "echo", "--http_port", port],
            ["serve", "--model", "echo", "--port", port],
        ):
            done = run(*arguments, "--address", "127.0.0.1")
            assert done.returncode == 2, done.stderr
            assert f"Port {port} is already in use. Choose another with --port" in done.stderr


def test_an_address_that_is_none_is_told() -> None:
    done = run("--model", "echo", "--port", "0", "--address", "a..b")
    assert done.returncode == 2
    assert "address='a..b' is neither an address nor the name of a machine." in done.stderr


def test_a_misspelt_variable_is_told_of_even_where_that_is_why_nothing_can_be_served() -> None:
    done = run("--port", "0", LIFTWING_MODEL="echo")
    assert done.returncode == 2
    assert "LIFTWING_MODEL is none of the host's variables; did you mean LIFTWING_MODELS?" in done.stderr


def test_the_summary_of_each_command_is_whole() -> None:
    listed = run("--help").stdout.partition("Commands:")[2]
    assert "plugins" in listed
    assert "..." not in listed


def test_models_come_from_metadata_with_their_distributions() -> None:
    done = run("models")
    assert done.returncode == 0
    assert "outlink-topic-model\tliftwing-plugin-outlink 0.1.0\n" in done.stdout
    assert "WIKI-family\tliftwing-plugin-zoo 1.0\n" in done.stdout


def test_help_does_not_wait_for_what_only_serving_needs() -> None:
    """Their import took longer than all else."""
    program = "import sys\nsys.argv[1:] = ['--help']\nfrom liftwing_host.server.cli import main\n"
    program += "try:\n    main()\nfinally:\n    print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Commands:\n  deploy " in done.stdout
    modules = done.stdout.splitlines()[-1].split()
    needless = ["tornado", "uvloop", "httptools", "rich", "asyncio", "platformdirs", "email.parser"]
    needless += ["liftwing_host.server.exchange", "liftwing_host.server.settings"]
    assert [name for name in needless if name in modules] == []


def test_what_loads_the_models_is_begun_before_the_host_imports_what_it_serves_with() -> None:
    """It takes another CPU, and as long."""
    program = "import os, sys\ndef begin(*_, **__):\n    print(*sys.modules, flush=True)\n    os._exit(0)\n"
    program += "from liftwing_host.server import cli, launch\nlaunch.launch = begin\n"
    program += "sys.argv[1:] = ['--model', 'outlink-topic-model', '--demo', '--port', '0']\ncli.main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = done.stdout.splitlines()[-1].split()
    needless = ("asyncio", "uvloop", "tornado", "email.parser", "httptools", "liftwing_host.server.pool")
    assert [name for name in needless if name in modules] == []


def test_plugins_tells_versions_models_and_which_are_broken() -> None:
    done = run("plugins")
    assert done.returncode == 2
    assert "liftwing-plugin-outlink 0.1.0\tok\n  outlink-topic-model\tPredicts the topics" in done.stdout
    assert "liftwing-plugin-zoo 1.0\tBROKEN\n" in done.stdout
    assert "missing-module\tModuleNotFoundError: No module named 'zoo_is_not_here'" in done.stdout
    assert "pip check" in done.stderr
    assert "liftwing-extension-ores 0.1.0\textension of the host\n" in done.stdout
    assert "liftwing-host " not in done.stdout, "its own extension is no news"


def test_a_model_that_says_nothing_of_itself_is_listed_without_the_words_of_its_base(tmp_path: Path) -> None:
    code = {"silent": "from liftwing_host import Model\nclass Silent(Model): ..."}
    folder = install(tmp_path, "liftwing-plugin-silent", models={"silent": "silent:Silent"}, code=code)
    code = {"imports": "from importlib.resources import files"}
    install(folder, "liftwing-plugin-imports", models={"imports": "imports"}, code=code)
    listed = run("plugins", **path_with(folder)).stdout
    assert "liftwing-plugin-silent 1.0\tok\n  silent\t\n" in listed
    assert "liftwing-plugin-imports 1.0\tok\n  imports\t\n" in listed


FILES = """
from liftwing_host import Model, PublishedFile
class One(Model):
    files = PublishedFile("https://example.org/7", "a.bin")
class Method(Model):
    def files(self): ...
class Property(Model):
    @property
    def files(self): ...
class Text(Model):
    files = ["a.bin"]
"""


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("One", "PublishedFile(url='https://example.org/7', name='a.bin'"),
        ("Method", "a method, and"),
        ("Property", "a property, and"),
        ("Text", "['a.bin'], and"),
    ],
)
def test_files_that_are_declared_wrong_are_told_with_what_they_must_be(
    attribute: str, said: str, tmp_path: Path
) -> None:
    folder = install(
        tmp_path, "liftwing-plugin-it", models={"it": f"brings:{attribute}"}, code={"brings": FILES}
    )
    done = run("download", "it", **path_with(folder))
    assert done.returncode == 2
    assert f"the model's files is {said}" in done.stderr
    assert "and must be a tuple of PublishedFile: (PublishedFile(…),)" in done.stderr


def test_a_function_of_a_module_is_no_declaration_whatever_it_is_called(
    liftwing: Callable[..., LiveHost], tmp_path: Path
) -> None:
    code = """
    import json as fork_safe
    from functools import partial as example
    from importlib.resources import files
    from liftwing_host import hookimpl

    def idempotent(function): return function

    def max_batch_size(): return 3

    @hookimpl
    @idempotent
    def predict(features): return features
    """
    folder = install(tmp_path, "liftwing-plugin-it", models={"it": "it_imports"}, code={"it_imports": code})
    told = run("download", "it", **path_with(folder)).stderr
    assert "it has no published files: there is nothing to download." in told
    assert liftwing("it", environ=path_with(folder)).predict([1]) == [1]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("outlink-topic-modle", "Did you mean outlink-topic-model?"),
        ("ecko", "Did you mean echo?"),
        ("something-else-entirely", "pip install liftwing-plugin-NAME"),
    ],
)
def test_an_unknown_model_suggests_what_to_do(model: str, said: str) -> None:
    done = run("--model", model, "--port", "0")
    assert done.returncode == 2
    assert f"No installed plugin brings a model named {model!r}." in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("outlink-topic-model", "outlink-topic-model is in a plugin that is not installed: pip install liftwing-plugin-outlink."),
        ("enwiki-goodfith", "enwiki-goodfaith is in a plugin that is not installed: pip install liftwing-plugin-revscoring."),
        ("a-rather-long-name-model", "pip install liftwing-plugin-NAME."),
    ],
)  # fmt: skip
def test_a_model_whose_plugin_is_known_but_not_installed_names_the_plugin(model: str, said: str) -> None:
    with pytest.raises(PluginNotFound) as error:
        Catalogue([]).find(model)
    assert said in error.value.message
    assert error.value.message.count("pip install") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "echo", "--port", "http"], "'http' is not a valid integer"),
        (["--model", "echo", "--port", "70000"], "port=70000 is not allowed"),
        (
            ["--model", "echo", "--workers", "-1"],
            "workers=-1 is not allowed: expected a whole number of at least 0",
        ),
        (["--model", "echo", "--prot", "1"], "'--port'"),
        (
            ["--model", "echo", "--config", "/nowhere.toml"],
            "Cannot read the configuration file /nowhere.toml",
        ),
        (["serve"], "No model to serve. Name one with --model NAME"),
        (["--model", "echo", "--address", "not an address"], "Cannot listen on not an address"),
        (["sevre"], "No such command 'sevre'"),
    ],
)
def test_a_wrong_flag_is_named_with_what_is_allowed(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_help_is_short_and_tells_the_first_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "liftwing-host --model NAME" in done.stdout


@pytest.mark.parametrize(("count", "told"), [(1, "1 worker"), (2, "2 workers")])
def test_the_start_up_report_has_a_line_for_each_model_with_a_curl_that_works(
    liftwing: Callable[..., LiveHost], count: int, told: str
) -> None:
    host = liftwing("echo", "slow", arguments=["--workers", str(count)])
    host.wait_for(lambda: host.log.count(" is ready: ") == 2, "the report")
    line = next(line for line in host.log.splitlines() if "echo (liftwing-plugin-zoo 1.0) is ready" in line)
    assert re.search(rf"loaded in \d+\.\d\d s, \d+ MiB, {told}; predict \(compute\); try: curl ", line)
    curl = line.partition("try: ")[2]
    done = subprocess.run(["bash", "-c", f"{curl} -s"], capture_output=True, text=True, check=True)
    assert done.stdout == '{"a":1}'


def test_the_curl_of_the_report_works_for_a_name_that_must_be_quoted(
    liftwing: Callable[..., LiveHost], tmp_path: Path
) -> None:
    name = "bad name/x?$(it)"
    code = {
        "named": "from liftwing_host import hookimpl\n@hookimpl\ndef predict(features): return [features]"
    }
    folder = install(tmp_path, "liftwing-plugin-it", models={name: "named"}, code=code)
    host = liftwing(name, environ=path_with(folder))
    assert host.predict(1) == [1]
    host.wait_for(lambda: " is ready: " in host.log, "the report")
    curl = host.log.partition("try: ")[2].splitlines()[0]
    done = subprocess.run(["bash", "-c", f"{curl} -s"], capture_output=True, text=True, check=True)
    assert done.stdout == "[{}]"


def test_a_model_that_failed_says_so_in_the_report(liftwing: Callable[..., LiveHost]) -> None:
    host = liftwing("load-misconfigured", wait=False)
    said = "load-misconfigured (liftwing-plugin-zoo 1.0) is NOT READY: Set THE_VARIABLE to the path of the weights."
    host.wait_for(lambda: said in host.log, "the report")
    assert "Traceback" not in host.log


def report_on_a_terminal(*arguments: str) -> bytes:
    """What a host draws until its models serve or have failed; it then ends in good order."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "--model", "echo", "--port", "0", "--workers", "1", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as host:
        os.close(theirs)
        seen = b""
        while b"Press Ctrl-C to end." not in seen:
            seen += os.read(ours, 4096)
        host.send_signal(signal.SIGINT)
        assert host.wait(timeout=20) == 0
    os.close(ours)
    return seen


def test_on_a_terminal_the_report_is_drawn_without_log_lines() -> None:
    seen = report_on_a_terminal()
    assert b"echo (liftwing-plugin-zoo 1.0) is ready" in seen
    assert b"listening on" not in seen


def test_on_a_terminal_brackets_are_told_and_not_taken_for_markup(tmp_path: Path) -> None:
    config = tmp_path / "liftwing.toml"
    config.write_text('[models.echo]\n"[/green]" = 1\n')
    seen = report_on_a_terminal("--config", str(config))
    assert b"is NOT READY: [models.echo]: unknown key '[/green]'" in seen
