"""The chart on a real API server that enforces the Pod Security Standard `restricted`: `make test-k8s` runs this."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import fresh
from tests.deploy.kubernetes.cluster import Cluster, Rejected, cluster
from tests.deploy.rendering import CHART, VALUES, Refused, render

pytestmark = pytest.mark.timeout(600)

CONFIG = {"kafka": {"bootstrap_servers": "broker:9092"}}
PATHS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Pod": "/api/v1/namespaces/{}/pods",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "PodMonitor": "/apis/monitoring.coreos.com/v1/namespaces/{}/podmonitors",
    "PrometheusRule": "/apis/monitoring.coreos.com/v1/namespaces/{}/prometheusrules",
    "ScaledObject": "/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "TriggerAuthentication": "/apis/keda.sh/v1alpha1/namespaces/{}/triggerauthentications",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture
def namespace(server: Cluster) -> str:
    name = fresh("space")
    server.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.mark.parametrize("file", VALUES, ids=lambda path: path.stem)
def test_the_server_takes_every_object_strictly(server: Cluster, namespace: str, file: Path) -> None:
    """With no unknown field, and with what its defaulting and admission say."""
    rendered = list(render(file=file))

    for each in rendered:
        each["metadata"].pop("namespace", None)
        server.create(PATHS[each["kind"]].format(namespace), each, dry_run=True)

    print(f"\n{file.stem}: {len(rendered)} objects", end="")


@pytest.mark.parametrize("file", VALUES, ids=lambda path: path.stem)
def test_a_pod_of_the_deployment_is_admitted_under_restricted(server: Cluster, namespace: str, file: Path) -> None:
    """No controller makes pods here, so one is made from the template."""
    server.create(PATHS["Pod"].format(namespace), _pod(render(file=file).the("Deployment")), dry_run=True)


def test_a_pod_with_more_rights_is_refused(server: Cluster, namespace: str) -> None:
    """So the admission above is worth something."""
    pod = _pod(render().the("Deployment"))
    del pod["spec"]["containers"][0]["securityContext"]["capabilities"]

    with pytest.raises(Rejected, match='violates PodSecurity "restricted'):
        server.create(PATHS["Pod"].format(namespace), pod, dry_run=True)


def test_install_upgrade_roll_back_uninstall(server: Cluster, namespace: str) -> None:
    """The life of a release: a changed configuration rolls the pods, an unchanged one does not, nothing stays."""
    helm = _Releases(server, namespace)

    helm("install", "comments", {"config": CONFIG})
    installed = server.objects(namespace, "comments")
    first = _deployment(server, namespace, "comments-emostream")
    helm("upgrade", "comments", {"config": CONFIG, "podDisruptionBudget": {"maxUnavailable": 2}})
    same = _deployment(server, namespace, "comments-emostream")
    helm("upgrade", "comments", {"config": {**CONFIG, "batch": {"max_messages": 100}}})
    changed = _deployment(server, namespace, "comments-emostream")
    helm("rollback", "comments", None, "1")
    back = _deployment(server, namespace, "comments-emostream")
    helm("uninstall", "comments", None)

    kinds = {each.split("/")[0] for each in installed}
    assert {"configmaps", "deployments", "poddisruptionbudgets", "serviceaccounts", "services"} == kinds
    assert (first["metadata"]["generation"], _template(first)) == (same["metadata"]["generation"], _template(same))
    assert _template(changed) != _template(first)
    assert changed["metadata"]["generation"] == first["metadata"]["generation"] + 1
    assert _template(back) == _template(first)
    assert server.objects(namespace, "comments") == []


def test_keda_and_the_operator_get_their_objects(server: Cluster, namespace: str) -> None:
    """Scaled: the Deployment names no replicas, so that an upgrade leaves KEDA's number alone."""
    helm = _Releases(server, namespace)
    values = yaml.safe_load((CHART / "ci" / "keda-values.yaml").read_text())

    helm("install", "emostream", values)
    installed = server.objects(namespace, "emostream")
    scaled = server.get(PATHS["ScaledObject"].format(namespace) + "/emostream")["spec"]
    _scale(server, namespace, 7)
    helm("upgrade", "emostream", {**values, "config": {**values["config"], "batch": {"max_messages": 100}}})
    after = _deployment(server, namespace, "emostream")["spec"]["replicas"]
    helm("uninstall", "emostream", None)

    assert {"scaledobjects/emostream", "podmonitors/emostream", "prometheusrules/emostream"} <= set(installed)
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (0, 24)
    assert [trigger["metadata"]["topic"] for trigger in scaled["triggers"]] == ["comments", "reviews"]
    assert after == 7
    assert server.objects(namespace, "emostream") == []


def test_a_typo_reaches_nothing(server: Cluster, namespace: str) -> None:
    """Refused by the chart's schema before anything is made, in words that name the key."""
    with pytest.raises(Refused, match="max_mesages"):
        _Releases(server, namespace)("install", "typo", {"config": {**CONFIG, "batch": {"max_mesages": 1}}})

    assert server.objects(namespace, "typo") == []


def test_the_server_refuses_what_keda_would(server: Cluster, namespace: str) -> None:
    """The definitions are really those of the operators: a number is no string, an unknown field is an error."""
    scaled = render(file=CHART / "ci" / "keda-values.yaml").the("ScaledObject")
    scaled["metadata"].pop("namespace")
    number, unknown = copy.deepcopy(scaled), copy.deepcopy(scaled)
    number["spec"]["triggers"][0]["metadata"]["lagThreshold"] = 5000
    unknown["spec"]["maxReplicas"] = 3

    for bad, word in ((number, "lagThreshold"), (unknown, "maxReplicas")):
        with pytest.raises(Rejected, match=word):
            server.create(PATHS["ScaledObject"].format(namespace), bad, dry_run=True)


class _Releases:
    """Helm in one namespace; says what each step took."""

    def __init__(self, server: Cluster, namespace: str) -> None:
        self._server = server
        self._namespace = namespace

    def __call__(self, step: str, release: str, values: Mapping[str, Any] | None, *more: str) -> None:
        given = [] if values is None else [str(CHART), "--values", "-"]
        began = time.monotonic()
        self._server.helm(*(step, release, "--namespace", self._namespace, *more, *given), stdin=yaml.safe_dump(values))
        print(f"\nhelm {step} {release}: {time.monotonic() - began:.1f} s", end="")


def _deployment(server: Cluster, namespace: str, name: str) -> dict[str, Any]:
    return server.get(PATHS["Deployment"].format(namespace) + f"/{name}")


def _template(deployment: Mapping[str, Any]) -> Any:
    """What a change of makes the Deployment's controller replace the pods."""
    return deployment["spec"]["template"]


def _scale(server: Cluster, namespace: str, replicas: int) -> None:
    """As KEDA does."""
    path = PATHS["Deployment"].format(namespace) + "/emostream/scale"
    scale = server.get(path)
    scale["spec"]["replicas"] = replicas
    server.replace(path, scale)


def _pod(deployment: Mapping[str, Any]) -> dict[str, Any]:
    template = copy.deepcopy(deployment["spec"]["template"])
    return {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {**template["metadata"], "name": "one"}}
