"""The images that the tests run: pulled where a registry answers, else stand-ins made on this machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
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
STANDIN = "emostream-test.standin"
"""The label of our stand-ins: a digest of what they were made from."""


def python_base(engine: Engine) -> str:
    """The Dockerfile's default base, or what stands in for it."""
    return PYTHON if _real(engine, PYTHON) else _standin(engine, "python", "emostream-test/" + PYTHON)


def kafka(engine: Engine) -> str:
    """Under its own name in either case, so that the compose file is used as it is."""
    if not _real(engine, KAFKA):
        _standin(engine, "kafka", KAFKA, more=lambda context: _fetch_jars(context / "libs"))
    return KAFKA


def worker(engine: Engine, *, base: str, context: Path = ROOT, tag: str = WORKER) -> str:
    """The image of the sources, target `cpu`."""
    engine.run(
        ["docker", "build", "--target", "cpu", "--build-arg", f"BASE={base}", "--tag", tag, str(context)],
        environ={"DOCKER_BUILDKIT": "1", "PATH": f"/usr/bin:{os.environ['PATH']}"},
        timeout_s=BUILD_TIMEOUT_S,
    )
    return tag


def _real(engine: Engine, image: str) -> bool:
    """Whether the image is here, or can be pulled, and is not a stand-in."""
    return _digest(engine, image) == "" and engine.has(image)


def _digest(engine: Engine, image: str) -> str:
    """What a stand-in that is here was made from; of anything else nothing."""
    shown = '{{index .Config.Labels "' + STANDIN + '"}}'
    try:
        return engine.docker("image", "inspect", "--format", shown, image).strip()
    except AssertionError:
        return ""


def _standin(engine: Engine, name: str, tag: str, *, more: Callable[[Path], None] = lambda _context: None) -> str:
    """Made anew when its sources have changed."""
    sources = [path for path in sorted((STANDINS / name).rglob("*")) if path.is_file()]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
    if _digest(engine, tag) != digest:
        _debian(engine)
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            shutil.copytree(STANDINS / name, context, dirs_exist_ok=True)
            shutil.copy(AUTHORITIES, context / "authorities.crt")
            more(context)
            engine.docker("build", "--label", f"{STANDIN}={digest}", "--tag", tag, folder, timeout_s=BUILD_TIMEOUT_S)
    return tag


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
