"""Issue 17.5: deploy/ says what the programs know: flags, settings, probes, metrics; manifests are well-formed."""

from __future__ import annotations

import json
import re
import shlex
import socket
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pytrainr_server import start_local_server
from pytrainr_server.cli import parser
from pytrainr_server.config import PREFIX, Config, load

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted(set((DEPLOY / "kubernetes").glob("*.yaml")) - {DEPLOY / "kubernetes" / "adapter-rule.yaml"})
LABELS = {"instance", "le", "job"}  # Prometheus's own


class Program(NamedTuple):
    """What a container runs."""

    where: str
    words: list[str]
    environment: dict[str, str]


def dockerfile(word: str) -> list[str]:
    """The arguments of an instruction, lines that go on joined."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.partition(" ")[2].strip() for line in text.splitlines() if line.startswith(word + " ")]


def image() -> tuple[list[str], list[str], dict[str, str]]:
    """The image's entry point, command and environment."""
    environment = dict(part.split("=", 1) for line in dockerfile("ENV") for part in shlex.split(line))
    return json.loads(dockerfile("ENTRYPOINT")[-1]), json.loads(dockerfile("CMD")[-1]), environment


def compose() -> dict[str, Any]:
    """The file, with its variables set."""
    text = re.sub(r"(?<!\$)\$\{\w+:\?[^}]*\}", "secret", (DEPLOY / "compose.yaml").read_text())
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def documents() -> Iterator[dict[str, Any]]:
    for file in MANIFESTS:
        yield from (document for document in yaml.safe_load_all(file.read_text()) if document)


def programs() -> Iterator[Program]:
    """Every container of ours."""
    entry, command, environment = image()
    for name, service in compose()["services"].items():
        if service["image"] == "pytrainr":
            words = [*service.get("entrypoint", entry), *service.get("command", command)]
            yield Program(f"compose {name}", words, {**environment, **service["environment"]})
    lines = (DEPLOY / "kubernetes" / "settings.env").read_text().split()
    settings = dict(line.split("=", 1) for line in lines)
    for document in documents():
        if document["kind"] == "Deployment":
            spec = document["spec"]["template"]["spec"]
            for container in (*spec.get("initContainers", ()), *spec["containers"]):
                words = [
                    *container.get("command", entry),
                    *container.get("args", () if "command" in container else command),
                ]
                more = settings if "configMapRef" in str(container.get("envFrom")) else {}
                yield Program(f"kubernetes {container['name']}", words, {**environment, **more})


def check_server(words: Sequence[str], environment: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Config.__dataclass_fields__} | {PREFIX + "CONFIG"}
    assert {name for name in environment if name.startswith(PREFIX)} <= known
    config = load(parser().parse_args(list(words)), environment)
    if config.exposed:
        assert config.tls_certificate
        assert config.executor.startswith("dask://")
        assert config.store_url and config.files  # noqa: PT018


def check_dask(words: Sequence[str]) -> None:
    pytest.importorskip("distributed")
    from distributed.cli.dask_scheduler import main as scheduler
    from distributed.cli.dask_worker import main as worker

    command = {"scheduler": scheduler, "worker": worker}[words[0]]
    command.make_context(words[0], list(words[1:]))


@pytest.mark.parametrize("program", list(programs()), ids=lambda program: program.where)
def test_every_command_and_setting_is_one_that_its_program_knows(program: Program) -> None:
    name, *words = program.words
    if name == "pytrainr-server":
        check_server(words, program.environment)
    elif name == "dask":
        check_dask(words)
    elif name == "pytrainr":
        assert words == ["warmup"]
    else:
        assert name == "python"
        compile(words[-1], program.where, "exec")


def test_what_the_image_is_built_from_is_there_and_not_left_out() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    for line in dockerfile("COPY"):
        if not line.startswith("--from"):
            for source in line.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignored, source
    users = dockerfile("USER")
    assert users == ["10001:10001"]


def test_files_that_compose_mounts_are_there() -> None:
    for service in compose()["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith(".") and source != "./certificates":
                assert (DEPLOY / source).exists(), source


def test_every_container_of_ours_is_read_only_and_no_root() -> None:
    for name, service in compose()["services"].items():
        if service["image"] == "pytrainr":
            assert service["read_only"] and service["cap_drop"] == ["ALL"], name  # noqa: PT018
    for document in documents():
        if document["kind"] == "Deployment":
            spec = document["spec"]["template"]["spec"]
            assert spec["securityContext"]["runAsNonRoot"]
            for container in (*spec.get("initContainers", ()), *spec["containers"]):
                assert container["securityContext"]["readOnlyRootFilesystem"], container["name"]


def test_selectors_ports_and_targets_name_what_there_is() -> None:
    deployments = {d["metadata"]["name"]: d for d in documents() if d["kind"] == "Deployment"}
    labels = {name: d["spec"]["template"]["metadata"]["labels"] for name, d in deployments.items()}
    ports = {
        name: {port["name"] for c in d["spec"]["template"]["spec"]["containers"] for port in c.get("ports", ())}
        for name, d in deployments.items()
    }
    for document in documents():
        spec, kind = document.get("spec", {}), document["kind"]
        if kind == "Service":
            [name] = [name for name, has in labels.items() if spec["selector"].items() <= has.items()]
            assert {port["targetPort"] for port in spec["ports"]} <= ports[name]
        elif kind == "PodDisruptionBudget":
            assert spec["selector"]["matchLabels"] in labels.values()
        elif kind == "HorizontalPodAutoscaler":
            assert spec["scaleTargetRef"]["name"] in deployments
        elif kind == "NetworkPolicy" and spec["podSelector"]:
            assert spec["podSelector"]["matchLabels"] in labels.values()
    listed = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())["resources"]
    there = {file.name for file in MANIFESTS} - {"kustomization.yaml", "secrets.example.yaml"}
    assert set(listed) == there


def test_the_manifests_follow_kubernetes_schema() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="LEFT OUT: kubernetes-validate is not installed")
    for document in documents():
        if document["kind"] != "Kustomization":
            validate.validate(document, validate.latest_version(), strict=True)


# what the running server says -----------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """A running server's answers."""

    metrics: str
    health: dict[str, int]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """With shared files, so that all parts are there."""
    directory = tmp_path_factory.mktemp("deploy")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = ["--metrics", f"127.0.0.1:{port}", "--files", f"file://{directory / 'files'}"]
    with start_local_server(directory / "data", flags=flags):
        page = f"http://127.0.0.1:{port}"
        metrics = urllib.request.urlopen(f"{page}/metrics", timeout=60).read().decode()
        return Seen(metrics, {path: status(page + path) for path in (*probes(), "/health/nothing")})


def status(url: str) -> int:
    try:
        return int(urllib.request.urlopen(url, timeout=60).status)
    except urllib.error.HTTPError as error:
        return error.code


def probes() -> set[str]:
    """All paths that probes ask for."""
    manifests = "".join(file.read_text() for file in MANIFESTS)
    found = set(re.findall(r"httpGet: \{path: ([^,}]+)", manifests))
    found |= set(re.findall(r"http://127\.0\.0\.1:9100(/\w+)", (DEPLOY / "Dockerfile").read_text()))
    return found | set(re.findall(r"option httpchk GET (\S+)", (DEPLOY / "haproxy.cfg").read_text()))


def test_probes_ask_for_what_is_answered(seen: Seen) -> None:
    assert {"/health", "/health/database", "/metrics"} <= probes()
    assert seen.health.pop("/health/nothing") == 404
    assert set(seen.health.values()) == {200}


def test_dashboard_alerts_and_autoscaling_name_metrics_that_there_are(seen: Seen) -> None:
    names = {line.split()[2] for line in seen.metrics.splitlines() if line.startswith("# TYPE")}
    names |= {f"{name}_bucket" for name in names}
    labels = {label for line in seen.metrics.splitlines() for label in re.findall(r'(\w+)="', line)} | LABELS
    labels |= {"code", "method", "outcome", "kind", "state", "part"}  # of counters that have counted nothing yet
    panels = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    alerts = yaml.safe_load((ROOT / "server" / "alerts.yml").read_text())["groups"]
    expressions += [rule["expr"] for group in alerts for rule in group["rules"]]
    [rule] = yaml.safe_load((DEPLOY / "kubernetes" / "adapter-rule.yaml").read_text())["externalRules"]
    expressions.append(rule["metricsQuery"])
    scaled = next(d for d in documents() if d["kind"] == "HorizontalPodAutoscaler")["spec"]["metrics"][0]
    assert scaled["external"]["metric"]["name"] == rule["name"]["as"]
    for expression in expressions:
        for name in re.findall(r"pytrainr_\w+", expression):
            assert name in names, expression
        assert set(re.findall(r"(\w+)=~?\"", expression)) <= labels, expression


def test_every_alert_has_its_place_in_the_runbook() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    alerts = yaml.safe_load((ROOT / "server" / "alerts.yml").read_text())["groups"]
    for rule in (rule for group in alerts for rule in group["rules"]):
        assert f"`{rule['alert']}`" in text, rule["alert"]


def test_kubernetes_schema_is_looked_at_or_said_to_be_left_out() -> None:
    try:
        import kubernetes_validate  # noqa: F401
    except ImportError:
        warnings.warn("LEFT OUT: the manifests' schema, for kubernetes-validate is not installed", stacklevel=1)
