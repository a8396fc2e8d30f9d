"""The images that the tests run: pulled where a registry answers, else stand-ins made on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.deploy.docker.engine import INSTALL, Engine
from tests.real_parts import unmet
from worker import __version__

ROOT = Path(__file__).parents[3]
STANDINS = Path(__file__).with_name("standins")
AUTHORITIES = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
DEBIAN = "emostream-test/debian"
PYTHON = "python:3.11-slim-bookworm"
KAFKA = "apache/kafka:4.1.0"
WORKER = f"emostream:{__version__}"
BUILD_TIMEOUT_S = 1500


def python_base(engine: Engine) -> str:
    """The Dockerfile's default base, or what stands in for it."""
    if engine.has(PYTHON):
        return PYTHON
    standin = "emostream-test/" + PYTHON
    _debian(engine)
    with tempfile.TemporaryDirectory() as folder:
        _build_standin(engine, "python", standin, Path(folder))
    return standin


def kafka(engine: Engine) -> str:
    """Under its own name in either case, so that the compose file is used as it is."""
    if not engine.has(KAFKA):
        _debian(engine)
        with tempfile.TemporaryDirectory() as folder:
            _fetch_jars(Path(folder) / "libs")
            _build_standin(engine, "kafka", KAFKA, Path(folder))
    return KAFKA


def worker(engine: Engine, *, base: str, context: Path = ROOT, tag: str = WORKER) -> str:
    """The image of the sources, target `cpu`."""
    engine.run(
        ["docker", "build", "--target", "cpu", "--build-arg", f"BASE={base}", "--tag", tag, str(context)],
        environ={"DOCKER_BUILDKIT": "1", "PATH": f"/usr/bin:{os.environ['PATH']}"},
        timeout_s=BUILD_TIMEOUT_S,
    )
    return tag


def _build_standin(engine: Engine, name: str, tag: str, context: Path) -> None:
    shutil.copytree(STANDINS / name, context, dirs_exist_ok=True)
    shutil.copy(AUTHORITIES, context / "authorities.crt")
    engine.docker("build", "--tag", tag, str(context), timeout_s=BUILD_TIMEOUT_S)


def _debian(engine: Engine) -> None:
    """A minimal Debian with Python, by debootstrap."""
    if engine.docker("image", "ls", "--quiet", DEBIAN).strip():
        return
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        unmet(f"no registry answers, and no debootstrap to make a base image with: {INSTALL}")
    include = "--include=ca-certificates,python3,python3-venv,python3-pip"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", include, "bookworm", str(root)]
        subprocess.run(command, check=True, capture_output=True, timeout=BUILD_TIMEOUT_S)
        archive = Path(folder) / "root.tar"
        left_out = ["--exclude=./dev/*", "--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*"]
        subprocess.run(["tar", "-C", str(root), *left_out, "-cf", str(archive), "."], check=True, timeout=300)
        engine.docker("import", "--change", 'CMD ["bash"]', str(archive), DEBIAN, timeout_s=300)


def _fetch_jars(folder: Path) -> None:
    mvn = shutil.which("mvn")
    if mvn is None:
        unmet(f"no registry answers, and no Maven to make {KAFKA} with")
    command = [mvn, "--batch-mode", "--quiet", "--file", str(STANDINS / "kafka" / "pom.xml")]
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    subprocess.run([*command, *goal], check=True, capture_output=True, timeout=BUILD_TIMEOUT_S)
