"""What the values turn into: the conditions of the templates."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.deploy.rendering import CHART, VALUES, render
from worker.config import load

SECURED = CHART / "ci" / "secured-values.yaml"
SASL = {"protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "username": "me"}


def test_without_any_values_only_what_always_runs_is_made() -> None:
    """No object of an operator that may not be there."""
    expected = {"ConfigMap", "Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "Pod"}

    assert expected == render().kinds()


def test_the_worker_gets_its_configuration_as_it_was_written(tmp_path: Any) -> None:
    """Key for key, large numbers as numbers; the worker itself reads it."""
    config = {
        "kafka": {"bootstrap_servers": "a:1,b:2", "input_topics": ["one", "two"]},
        "input": {"max_value_bytes": 100_000_000, "text": ""},
        "decision": {"audit_rate": 0.01},
    }

    written = render({"config": config}).data["config.yaml"]

    path = tmp_path / "config.yaml"
    path.write_text(written)
    assert config == yaml.safe_load(written)
    assert load(path).input.max_value_bytes == 100_000_000


@pytest.mark.parametrize("file", VALUES, ids=lambda path: path.stem)
def test_the_worker_accepts_the_configuration_of_every_example(file: Any, tmp_path: Any) -> None:
    """Files apart, which are mounted in the pod."""
    path = tmp_path / "config.yaml"
    path.write_text(render(file=file).data["config.yaml"])
    security = yaml.safe_load(path.read_text())["kafka"].get("security", {})
    path.with_name("password").write_text("secret")
    if security:
        path.write_text(path.read_text().replace("security:", f"security:\n    password_file: {tmp_path}/password"))

    settings = load(path)

    assert settings.kafka.bootstrap_servers


def test_another_configuration_rolls_the_pods() -> None:
    """The checksum is that of the configuration, and of nothing else."""
    first = _checksum({})
    same = _checksum({"replicas": 3})
    other = _checksum({"config": {"batch": {"max_messages": 100}}})
    policy = _checksum({"policy": {"document": "{}"}})

    assert first == same
    assert len({first, other, policy}) == 3


@pytest.mark.parametrize(("drain_s", "grace_s"), [(None, 45), (10, 30), (42.5, 63)])
def test_the_grace_period_follows_the_drain_budget(drain_s: float | None, grace_s: int) -> None:
    """Rounded up, plus the margin in which connections are closed."""
    config = {} if drain_s is None else {"shutdown": {"drain_timeout_s": drain_s}}

    assert grace_s == render({"config": config}).pod["terminationGracePeriodSeconds"]


def test_the_pod_satisfies_the_restricted_standard_and_can_write_to_tmp_only() -> None:
    """Non-root, no privileges, no capabilities, read-only root, no token."""
    rendered = render()

    context = rendered.worker["securityContext"]
    assert context == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert rendered.pod["securityContext"]["runAsNonRoot"] is True
    assert rendered.pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert rendered.pod["automountServiceAccountToken"] is False
    assert rendered.the("ServiceAccount")["automountServiceAccountToken"] is False
    assert [each["mountPath"] for each in rendered.worker["volumeMounts"] if not each.get("readOnly")] == ["/tmp"]


def test_probes_ask_the_workers_own_endpoints_on_its_port() -> None:
    """Also when the configuration moves the port."""
    worker = render({"config": {"server": {"port": 8080}}}).worker

    paths = {name: worker[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
    assert worker["ports"] == [{"name": "metrics", "containerPort": 8080}]


def test_a_probe_is_replaced_as_a_whole() -> None:
    """Nothing of the chart's own probe stays in it."""
    mine = {"exec": {"command": ["emostream", "health"]}, "periodSeconds": 7}

    assert mine == render({"livenessProbe": mine}).worker["livenessProbe"]


def test_secrets_are_files_named_by_the_environment() -> None:
    """No secret's value is in any object."""
    rendered = render(file=SECURED)

    assert rendered.env["EMOSTREAM_KAFKA__SECURITY__PASSWORD_FILE"] == "/etc/emostream/sasl/password"
    assert rendered.env["EMOSTREAM_KAFKA__SECURITY__CA_FILE"] == "/etc/emostream/tls/ca.pem"
    assert rendered.env["EMOSTREAM_KAFKA__SECURITY__KEY_FILE"] == "/etc/emostream/tls/key.pem"
    volumes = {each["name"]: each for each in rendered.pod["volumes"]}
    assert volumes["sasl"]["secret"]["items"] == [{"key": "password", "path": "password"}]
    assert [item["path"] for item in volumes["tls"]["secret"]["items"]] == ["ca.pem", "cert.pem", "key.pem"]
    assert "Secret" not in rendered.kinds()


def test_every_mounted_volume_is_there() -> None:
    """With everything switched on, mounts and volumes are the same names."""
    for file in VALUES:
        rendered = render(file=file)

        mounted = {each["name"] for each in rendered.worker["volumeMounts"]}
        assert mounted == {each["name"] for each in rendered.pod["volumes"]}


def test_a_policy_and_a_models_claim_are_mounted_and_named() -> None:
    """One's own ConfigMap and one's own claim."""
    rendered = render(
        {"policy": {"configMap": "mine", "key": "p.json"}, "model": {"existingClaim": "models", "mountPath": "/m"}}
    )

    volumes = {each["name"]: each for each in rendered.pod["volumes"]}
    assert rendered.env["EMOSTREAM_DECISION__POLICY"] == "/etc/emostream/policy/policy.json"
    assert volumes["policy"]["configMap"] == {"name": "mine", "items": [{"key": "p.json", "path": "policy.json"}]}
    assert volumes["models"]["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    assert {"name": "models", "mountPath": "/m", "readOnly": True} in rendered.worker["volumeMounts"]


def test_gpus_are_asked_for_and_their_taint_is_borne() -> None:
    """And the image is the one with torch."""
    rendered = render({"gpu": {"enabled": True}, "tolerations": [{"key": "spot", "operator": "Exists"}]})

    assert rendered.worker["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert [each["key"] for each in rendered.pod["tolerations"]] == ["spot", "nvidia.com/gpu"]
    assert rendered.worker["image"].endswith("-cuda")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"tag": "1.2"}, "emostream:1.2"),
        ({"repository": "registry.example/e", "digest": "sha256:" + "a" * 64}, "registry.example/e@sha256:" + "a" * 64),
    ],
)
def test_the_image_is_named_by_tag_or_digest(image: dict[str, str], expected: str) -> None:
    """The digest wins."""
    assert expected == render({"image": image}).worker["image"]


def test_keda_scales_on_the_lag_of_every_named_topic() -> None:
    """Strings where KEDA wants strings; never more workers than partitions; no replicas in the Deployment."""
    rendered = render(file=CHART / "ci" / "keda-values.yaml")

    spec = rendered.the("ScaledObject")["spec"]
    triggers = [trigger["metadata"] for trigger in spec["triggers"]]
    assert [trigger["topic"] for trigger in triggers] == ["comments", "reviews"]
    assert {trigger["consumerGroup"] for trigger in triggers} == {"comments"}
    assert {trigger["bootstrapServers"] for trigger in triggers} == {"broker-1:9092,broker-2:9092"}
    assert all(isinstance(value, str) for trigger in triggers for value in trigger.values())
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 24)
    assert spec["scaleTargetRef"]["name"] == rendered.the("Deployment")["metadata"]["name"]
    assert "replicas" not in rendered.the("Deployment")["spec"]
    assert "TriggerAuthentication" not in rendered.kinds()


def test_keda_gets_the_workers_credentials() -> None:
    """From the same Secrets; the user name from the chart's ConfigMap, which holds it for that."""
    rendered = render(file=SECURED)

    spec = rendered.the("TriggerAuthentication")["spec"]
    trigger = rendered.the("ScaledObject")["spec"]["triggers"][0]
    (username,) = spec["configMapTargetRef"]
    assert [each["parameter"] for each in spec["secretTargetRef"]] == ["password", "ca", "cert", "key"]
    assert rendered.data[username["key"]] == "svc-emostream"
    assert (trigger["metadata"]["tls"], trigger["metadata"]["sasl"]) == ("enable", "scram_sha512")
    assert trigger["authenticationRef"]["name"] == rendered.the("TriggerAuthentication")["metadata"]["name"]


def test_a_trigger_authentication_of_ones_own_is_used() -> None:
    """And none is made."""
    rendered = render(
        {
            "keda": {"enabled": True, "partitions": 4, "authentication": "mine"},
            "secrets": {"sasl": {"name": "s"}},
            "config": {"kafka": {"security": SASL}},
        }
    )

    assert rendered.the("ScaledObject")["spec"]["triggers"][0]["authenticationRef"] == {"name": "mine"}
    assert "TriggerAuthentication" not in rendered.kinds()


def test_the_network_is_open_to_brokers_and_name_service_only() -> None:
    """The brokers' ports come from the configuration unless they are given."""
    policy = {"enabled": True}
    servers = {"kafka": {"bootstrap_servers": "a:9092, b:9093,c:9092"}}

    found = render({"networkPolicy": policy, "config": servers}).the("NetworkPolicy")["spec"]
    given = render({"networkPolicy": {**policy, "brokerPorts": [19092]}}).the("NetworkPolicy")["spec"]

    assert found["policyTypes"] == ["Ingress", "Egress"]
    assert [[each["port"] for each in rule["ports"]] for rule in found["egress"]] == [[53, 53], [9092, 9093]]
    assert [each["port"] for each in given["egress"][1]["ports"]] == [19092]


def test_selectors_take_the_workers_and_not_the_test_pod() -> None:
    """Deployment, disruption budget, Service, NetworkPolicy and PodMonitor select by the same labels."""
    rendered = render({"networkPolicy": {"enabled": True}, "podMonitor": {"enabled": True}})

    selector = rendered.the("Deployment")["spec"]["selector"]["matchLabels"]
    labels = rendered.the("Deployment")["spec"]["template"]["metadata"]["labels"]
    others = [
        rendered.the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        rendered.the("Service")["spec"]["selector"],
        rendered.the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        rendered.the("PodMonitor")["spec"]["selector"]["matchLabels"],
        rendered.pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(selector == other for other in others)
    assert selector.items() <= labels.items()
    assert not selector.items() <= rendered.the("Pod")["metadata"]["labels"].items()


def test_labels_and_annotations_reach_where_they_should() -> None:
    """A pod label wins over a common one of the same name, and is there once."""
    rendered = render(
        {
            "commonLabels": {"team": "a", "tier": "b"},
            "podLabels": {"team": "c"},
            "podAnnotations": {"note": "d"},
            "prometheusRule": {"enabled": True, "labels": {"release": "e"}},
        }
    )

    template = rendered.the("Deployment")["spec"]["template"]["metadata"]
    assert (template["labels"]["team"], template["labels"]["tier"]) == ("c", "b")
    assert template["annotations"]["note"] == "d"
    assert rendered.the("PrometheusRule")["metadata"]["labels"]["release"] == "e"
    assert all(each["metadata"]["labels"]["team"] == "a" for each in rendered)


def test_the_installed_rules_are_the_tested_ones() -> None:
    """Prometheus' own braces survive Helm's."""
    rendered = render({"prometheusRule": {"enabled": True}}).the("PrometheusRule")

    assert yaml.safe_load((CHART / "files" / "alerts.yaml").read_text()) == rendered["spec"]


def test_the_test_pod_asks_a_ready_worker() -> None:
    """By the Service's name and port, with the worker's image and the same restrictions."""
    rendered = render({"config": {"server": {"port": 8080}}})

    pod = rendered.the("Pod")
    (container,) = pod["spec"]["containers"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert container["args"][-1] == f"http://{rendered.the('Service')['metadata']['name']}:8080"
    assert container["image"] == rendered.worker["image"]
    assert container["securityContext"] == rendered.worker["securityContext"]


def _checksum(values: dict[str, Any]) -> str:
    template = render(values).the("Deployment")["spec"]["template"]
    return str(template["metadata"]["annotations"]["checksum/config"])
