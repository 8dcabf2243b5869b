"""`liftwing-host deploy`, as an operator meets it: its keys, what it says to mistakes, and the page about it."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import kserve_pods
from command import run
from kserve_pods import IMAGE, MODEL, NEEDED, rendered
from liftwing_host.deploy.keys import Keys
from liftwing_host.deploy.scaling import METRIC
from walkthrough import Shell, commands

PAGE = Path(__file__).parent.parent / "docs" / "kubernetes.md"


def deploy(*assignments: str, model: str = MODEL) -> subprocess.CompletedProcess[str]:
    return run("deploy", model, *(word for assignment in assignments for word in ("--set", assignment)))


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        ([IMAGE], "storage_uri is not set: --set storage_uri=s3://BUCKET/PATH"),
        (["storage_uri=s3://models/outlink"], "image is not set: --set image="),
        ([*NEEDED, "storage-url=x"], "--set: unknown key 'storage-url'. Did you mean 'storage_uri'?"),
        ([*NEEDED, "zzz=1"], "unknown key 'zzz'. Known keys: image, storage_uri,"),
        ([*NEEDED, "cpu"], "--set 'cpu' is not allowed: expected KEY=VALUE"),
        ([*NEEDED, "cpu="], "cpu has no value; leave it out"),
        ([*NEEDED, "cpu=1", "cpu=2"], "cpu is given twice"),
        ([*NEEDED, "cpu=two"], "cpu='two' is not allowed: expected a quantity of Kubernetes"),
        ([*NEEDED, "cpu=0"], "cpu='0' is not allowed"),
        ([*NEEDED, "cpu=0.0005"], "cpu='0.0005' is not allowed: a thousandth"),
        ([*NEEDED, "memory=2GiB"], "memory='2GiB' is not allowed"),
        ([*NEEDED, "memory=512m"], "memory='512m' is not allowed: less than 64Mi"),
        (
            [*NEEDED, "min_replicas=0"],
            "min_replicas='0' is not allowed: expected a whole number of at least 1",
        ),
        ([*NEEDED, "max_replicas=1"], "max_replicas=1 is not allowed: it is less than min_replicas=2"),
        ([*NEEDED, "transformer=maybe"], "transformer='maybe' is not allowed: expected true or false"),
        ([*NEEDED, "timeout=0"], "timeout='0' is not allowed: expected a number greater than 0"),
        ([*NEEDED, "drain_timeout=inf"], "drain_timeout='inf' is not allowed"),
        ([*NEEDED, "name=Outlink"], "name='Outlink' is not allowed: expected at most 48 lower-case"),
        ([*NEEDED, f"name={'a' * 47}", "transformer=true"], "expected at most 46 lower-case"),
        ([*NEEDED, "service_account=a_b"], "service_account='a_b' is not allowed"),
        ([IMAGE, "storage_uri=s3:/models"], "storage_uri='s3:/models' is not allowed"),
        ([IMAGE, "storage_uri=ftp://models/x"], "expected a URI that begins with s3://, gs://"),
        ([*NEEDED, "demo=true"], "storage_uri and demo are both set"),
        ([*NEEDED, "env.LIFTWING_TIMEOUT=3"], "env.LIFTWING_TIMEOUT is what the key timeout is for"),
        ([*NEEDED, "env.LIFTWING_PORT=3"], "env.LIFTWING_PORT cannot be set"),
        ([*NEEDED, "env.A-B=3"], "env.A-B is not the name of an environment variable"),
        ([*NEEDED, "env.A={{.Name}}"], "which KServe takes for a template"),
        (["image=a b", NEEDED[1]], "image='a b' is not allowed"),
    ],
)
def test_what_is_wrong_with_a_key_is_said_and_nothing_written(assignments: list[str], said: str) -> None:
    done = deploy(*assignments)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_model_that_is_not_installed_says_what_to_install() -> None:
    done = deploy(*NEEDED, model="outlink-topic-modle")
    assert done.returncode == 2
    assert "Did you mean outlink-topic-model?" in done.stderr
    assert done.stdout == ""


def test_a_model_whose_name_is_none_for_kubernetes_is_deployed_under_another() -> None:
    done = deploy(*NEEDED, model="zoo-0.6b")
    assert done.returncode == 2
    assert "name='zoo-0.6b' is not allowed" in done.stderr
    done = deploy(*NEEDED, "name=zoo", model="zoo-0.6b")
    assert done.returncode == 0, done.stderr
    manifests = list(yaml.safe_load_all(done.stdout))
    assert kserve_pods.of_kind(manifests, "InferenceService")["metadata"]["name"] == "zoo"
    assert kserve_pods.of_kind(manifests, "ServingRuntime")["metadata"]["name"] == "liftwing-zoo"
    arguments = kserve_pods.predictor(manifests)["args"]
    assert arguments[arguments.index("--model") + 1] == "zoo-0.6b"
    assert arguments[arguments.index("--model_name") + 1] == "zoo"


def test_values_of_variables_arrive_as_they_were_given() -> None:
    given = {
        "A": "yes", "B": "1e3", "C": "012", "D": "12:30", "E": "~", "F": "", "G": "a: b # c", "H": "it's \"so\"",
        "I": "$(HOME) $$(HOME) $5", "J": "two\nlines", "K": " x ", "L": "ü—😀", "M": "=", "N": "0x1F", "O": "NO",
    }  # fmt: skip
    manifests = rendered(*NEEDED, *(f"env.{name}={value}" for name, value in given.items()))
    assert kserve_pods.environment(kserve_pods.predictor(manifests)) == given


def test_the_same_words_give_the_same_text_whatever_the_order_of_hashes() -> None:
    words = [*NEEDED, "transformer=true", "env.B=1", "env.A=2", "env.EVENTGATE_URL=http://e.example.org"]
    code = "import sys; from liftwing_host.deploy import render; print(render('m', 'liftwing-plugin-m', sys.argv[1:]))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code, *words],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


def test_only_a_host_that_keeps_events_has_something_to_write_to() -> None:
    url = "env.EVENTGATE_URL=https://eventgate.example.org/v1/events"
    for assignments, volumes in [
        (NEEDED, 0),
        ([*NEEDED, url], 1),
        ([*NEEDED, url, "env.EVENTGATE_DELIVERY=sync"], 0),
    ]:
        manifests = rendered(*assignments)
        container = kserve_pods.predictor(manifests)
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        pod = kserve_pods.of_kind(manifests, "InferenceService")["spec"]["predictor"]
        assert len(pod.get("volumes", [])) == len(container.get("volumeMounts", [])) == volumes
        if volumes:
            folder = container["volumeMounts"][0]["mountPath"]
            assert kserve_pods.environment(container)["LIFTWING_EVENTS"].startswith(f"{folder}/")


def test_a_single_pod_has_no_disruption_budget_which_would_keep_its_node_from_being_emptied() -> None:
    kinds = [manifest["kind"] for manifest in rendered(*NEEDED, "min_replicas=1")]
    assert kinds == ["ServingRuntime", "InferenceService", "HorizontalPodAutoscaler"]


def test_the_autoscaler_is_none_that_kserve_would_take_for_its_own() -> None:
    """KServe's HPAReconciler updates whatever has the Deployment's name, even where it is to make none."""
    for component in ("predictor", "transformer"):
        [name] = (
            manifest["metadata"]["name"]
            for manifest in rendered(*NEEDED, "transformer=true")
            if manifest["kind"] == "HorizontalPodAutoscaler"
            and manifest["spec"]["scaleTargetRef"]["name"] == f"{MODEL}-{component}"
        )
        assert name != f"{MODEL}-{component}"


def test_the_list_and_the_page_have_every_key_with_its_default() -> None:
    listed = run("deploy", "--list").stdout
    page = PAGE.read_text()
    for field in dataclasses.fields(Keys):
        [line] = re.findall(rf"^{field.name} .*$", listed, re.MULTILINE)
        assert field.metadata["help"] in line
        [default] = re.findall(rf"^\| `{field.name}` \| ([^|]*?) \|", page, re.MULTILINE)
        if isinstance(field.default, bool):
            assert default == str(field.default).lower()
        elif field.default not in {None, ""}:
            shown = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
            assert default.strip("`") == shown


@pytest.mark.parametrize("heading", ["A predictor alone", "Transformer and predictor"])
def test_the_commands_of_the_page_write_what_it_shows(heading: str, tmp_path: Path) -> None:
    shell_commands = commands(PAGE, heading)
    assert shell_commands
    with Shell(tmp_path) as shell:
        for command in shell_commands:
            assert shell.run(command) == command.shown


def test_the_rule_of_the_page_is_about_our_metric() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    [rule] = (yaml.safe_load(block)["rules"][0] for block in blocks if "seriesQuery" in block)
    assert rule["seriesQuery"].startswith("liftwing_request_seconds_sum{")
    assert re.fullmatch(rule["name"]["matches"], "liftwing_request_seconds_sum")
    assert rule["name"]["as"] == METRIC
