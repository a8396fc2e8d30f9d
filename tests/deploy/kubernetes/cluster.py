"""A real kube-apiserver on a real etcd, with the operators' definitions: everything but nodes and controllers."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from tests.deploy.kubernetes.operators import definition_files
from tests.deploy.rendering import helm
from tests.real_parts import unmet
from worker.devbroker.distribution import default_cache
from worker.devbroker.ports import free_ports

INSTALL = "run scripts/test-tools k8s as root"
TOKEN = "only-on-this-machine"
START_TIMEOUT_S = 180
RESTRICTED = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AdmissionConfiguration",
    "plugins": [
        {
            "name": "PodSecurity",
            "configuration": {
                "apiVersion": "pod-security.admission.config.k8s.io/v1",
                "kind": "PodSecurityConfiguration",
                "defaults": {"enforce": "restricted", "enforce-version": "latest"},
            },
        }
    ],
}


class Rejected(Exception):
    """The server's own words for what it does not take."""


@dataclass(frozen=True)
class Cluster:
    """An API server on a port of this machine; every namespace enforces the Pod Security Standard `restricted`."""

    folder: Path
    port: int

    def get(self, path: str) -> dict[str, Any]:
        """Raises Rejected, also when there is no such thing."""
        return self._ask("GET", path)

    def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """As `kubectl create --validate=strict`: an unknown field is an error. Raises Rejected."""
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return self._ask("POST", f"{path}?{urlencode(query)}", body)

    def replace(self, path: str, body: Mapping[str, Any]) -> None:
        """Raises Rejected."""
        self._ask("PUT", path, body)

    def objects(self, namespace: str, release: str) -> list[str]:
        """Kind and name of everything in the namespace that a release owns, Helm's own records apart."""
        selector = urlencode({"labelSelector": f"app.kubernetes.io/instance={release}"})
        found = []
        for group, names in self._namespaced().items():
            for name in names:
                listed = self.get(f"{group}/namespaces/{namespace}/{name}?{selector}")
                found += [f"{name}/{item['metadata']['name']}" for item in listed["items"]]
        return sorted(found)

    def helm(self, *arguments: str, stdin: str | None = None) -> str:
        """Helm against this cluster. Raises tests.deploy.rendering.Refused."""
        homes = {f"HELM_{name}_HOME": str(self.folder / "helm") for name in ("CACHE", "CONFIG", "DATA")}
        return helm(*arguments, stdin=stdin, env={"KUBECONFIG": str(self.folder / "kubeconfig"), **homes})

    def serves(self) -> bool:
        try:
            self.get("/readyz?verbose=false")
        except json.JSONDecodeError:  # "ok", which is no JSON
            return True
        except (OSError, HTTPException, Rejected):
            return False
        return True

    def _namespaced(self) -> dict[str, list[str]]:
        """Path of each API version to the resources in it that live in namespaces and can be listed."""
        groups = [f"/apis/{each['preferredVersion']['groupVersion']}" for each in self.get("/apis")["groups"]]
        found = {}
        for group in ["/api/v1", *groups]:
            listed = self.get(group)["resources"]
            found[group] = [each["name"] for each in listed if each["namespaced"] and "list" in each["verbs"]]
        return found

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=60, context=_unverified())
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise Rejected(json.loads(content)["message"] if content.startswith(b"{") else content.decode())
        return json.loads(content)  # type: ignore[no-any-return]


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Started, with KEDA's and the Prometheus operator's definitions in it; gone with its data at the end."""
    etcd, server = _etcd(), _api_server()
    etcd_port, peer_port, port = free_ports(3)
    made = Cluster(folder, port)
    _configure(made)
    commands = {
        "etcd": [
            *(etcd, "--data-dir", "etcd", "--unsafe-no-fsync", "--log-level", "warn"),
            *("--listen-client-urls", f"http://127.0.0.1:{etcd_port}"),
            *("--advertise-client-urls", f"http://127.0.0.1:{etcd_port}"),
            *("--listen-peer-urls", f"http://127.0.0.1:{peer_port}"),
        ],
        "kube-apiserver": [
            *(server, f"--etcd-servers=http://127.0.0.1:{etcd_port}", f"--secure-port={port}"),
            *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--cert-dir=certs"),
            *("--service-account-issuer=https://localhost", "--service-account-key-file=sa.pub"),
            *("--service-account-signing-key-file=sa.key", "--token-auth-file=tokens.csv"),
            *("--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16"),
            # no controller would make the account that this plugin waits for
            *("--disable-admission-plugins=ServiceAccount", "--admission-control-config-file=admission.yaml"),
        ],
    }
    processes = []
    try:
        for name, command in commands.items():
            with (folder / f"{name}.log").open("wb") as log:
                processes.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log))
        _await(made, processes)
        _define(made)
        yield made
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait(10)


def _etcd() -> str:
    return shutil.which("etcd") or unmet(f"no etcd: {INSTALL}")


def _api_server() -> str:
    own = default_cache() / "test-tools" / "kube-apiserver"
    return str(own) if own.exists() else unmet(f"no kube-apiserver: {INSTALL}")


def _configure(made: Cluster) -> None:
    (made.folder / "tokens.csv").write_text(f'{TOKEN},admin,1,"system:masters"\n')
    (made.folder / "admission.yaml").write_text(yaml.safe_dump(RESTRICTED))
    for arguments in (["genrsa", "-out", "sa.key", "2048"], ["rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub"]):
        subprocess.run(["openssl", *arguments], cwd=made.folder, check=True, capture_output=True)
    server = {"server": f"https://127.0.0.1:{made.port}", "insecure-skip-tls-verify": True}
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": server}],
        "users": [{"name": "me", "user": {"token": TOKEN}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    }
    path = made.folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(kubeconfig))


def _await(made: Cluster, processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not made.serves():
        ended = [process for process in processes if process.poll() is not None]
        log = (made.folder / "kube-apiserver.log").read_text()[-2000:]
        assert not ended, f"{ended[0].args[0]} ended with {ended[0].returncode}: {log}"  # type: ignore[index]
        assert time.monotonic() < deadline, f"the API server is not ready after {START_TIMEOUT_S} s: {log}"
        time.sleep(0.2)


def _define(made: Cluster) -> None:
    """Install the operators' definitions and wait until the server serves them."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for file in definition_files():
        made.create(path, yaml.safe_load(file.read_text(encoding="utf-8")))
    deadline = time.monotonic() + START_TIMEOUT_S
    while not all(_established(each) for each in made.get(path)["items"]):
        assert time.monotonic() < deadline, "the server does not serve the operators' kinds"
        time.sleep(0.2)


def _established(definition: Mapping[str, Any]) -> bool:
    conditions = definition["status"]["conditions"] or []
    return any((each["type"], each["status"]) == ("Established", "True") for each in conditions)


def _unverified() -> ssl.SSLContext:
    """The certificate is one that the server made for itself a moment ago."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
