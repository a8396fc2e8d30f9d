"""Whether this machine can run the tests of this folder: `python -m tests.deploy.docker.readiness`.

Exit 0: an engine runs containers that reach the package index, and the images not our own are there. Exit 75: it
cannot, and why. Nothing of the project is built or judged here, so that a machine without the rights for containers, or
without the network, can be told from a project that does not work.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.deploy.docker import images
from tests.deploy.docker.engine import engine

NOT_HERE = 75


def main() -> int:
    try:
        with engine() as found:
            version = found.docker("version", "--format", "{{.Server.Version}}").strip()
            assert found.docker("info", "--format", "{{.Driver}}").strip() != "vfs", "no overlay file system for images"
            compose = found.run([*found.compose_command(), "version", "--short"], timeout_s=60).strip()
            base, kafka = images.python_base(found), images.kafka(found)
            found.docker("run", "--rm", base, "python", "-m", "pip", "download", "--quiet", "--dest=/tmp", "uv")
    except (AssertionError, OSError, subprocess.SubprocessError, pytest.fail.Exception, pytest.skip.Exception) as no:
        reason = " ".join(str(no).split()).removesuffix(" (CI=true: nothing may be skipped)")
        print(f"tests/deploy/docker: cannot run here: {reason[-500:]}")
        return NOT_HERE
    print(f"tests/deploy/docker: Docker {version} and Compose {compose} run here, with {base} and {kafka}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
