"""The image: what is in it, and how little it needs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.docker import images
from tests.deploy.docker.engine import Engine
from worker import __version__

CLOSED = ("--rm", "--interactive", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--network=none")
LIMIT_BYTES = 700_000_000
LARGEST = "cd /opt/emostream/lib/python3*/site-packages && du -sm -- * worker/models | sort -rn | head -8"


def _inspect(docker: Engine, image: str) -> dict[str, Any]:
    (found,) = json.loads(docker.docker("image", "inspect", image))
    return found  # type: ignore[no-any-return]


def test_it_is_small(docker: Engine, worker_image: str, base: str) -> None:
    """What we put on the base, and 150 MB for the base, which the stand-in exceeds."""
    ours = _inspect(docker, worker_image)["Size"] - _inspect(docker, base)["Size"]

    print(f"\n{worker_image}: {ours / 1e6:.0f} MB on {base}; the largest:")
    print(docker.docker("run", *CLOSED, "--entrypoint=bash", worker_image, "-c", LARGEST), end="")
    assert ours + 150_000_000 < LIMIT_BYTES


def test_it_says_what_it_is(docker: Engine, worker_image: str) -> None:
    """Labels, a user with a number, a health check, no shell around the program."""
    config = _inspect(docker, worker_image)["Config"]

    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"] == ["CMD", "emostream", "health"]
    assert (config["Entrypoint"], config["Cmd"]) == (["emostream"], ["run"])


@pytest.mark.parametrize("model", ["builtin:emotion", "builtin:emotion-tiny"])
def test_a_builtin_model_runs_without_network_and_rights(docker: Engine, worker_image: str, model: str) -> None:
    """Read-only root, no capabilities, nobody's uid, nothing to fetch from."""
    command = ("run", *CLOSED, "--user=12345:12345", worker_image, "classify", "--model", model)

    out = docker.docker(*command, "--input", "-", "--output", "-", stdin=b"i feel so happy today\n")

    assert json.loads(out)["labels"] == ["joy"]


def test_there_is_no_torch_in_it(docker: Engine, worker_image: str) -> None:
    """Nor pip or uv."""
    listed = docker.docker(
        "run", *CLOSED, "--entrypoint=ls", worker_image, "/opt/emostream/lib/python3.11/site-packages"
    )

    assert {"openvino", "worker", "schemas"} <= set(listed.split())
    assert not {"torch", "transformers", "pip", "uv"} & set(listed.split())


def test_a_change_of_the_code_leaves_the_layers_of_its_dependencies(
    docker: Engine, worker_image: str, base: str, tmp_path: Path
) -> None:
    """So a new version moves megabytes, not hundreds."""
    for name in ("Dockerfile", ".dockerignore", "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(images.ROOT / name, tmp_path / name)
    for name in ("worker", "schemas"):
        shutil.copytree(images.ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "worker" / "__init__.py").open("a") as source:
        source.write("# changed\n")
    tag = "emostream-test/changed"

    images.worker(docker, base=base, context=tmp_path, tag=tag)

    before, after = (_inspect(docker, image)["RootFS"]["Layers"] for image in (worker_image, tag))
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


def test_a_missing_configuration_is_one_line_and_exit_2(docker: Engine, worker_image: str) -> None:
    """As outside of a container."""
    with pytest.raises(AssertionError, match=r"exit 2\nemostream: /none\.yaml"):
        docker.docker("run", *CLOSED, worker_image, "run", "--config", "/none.yaml")
