from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import typer

from tests.unit.cli.conftest import Invoke
from worker import __version__, cli
from worker.errors import ConfigError, DeadLetterLimitExceeded, DrainTimeout, EmostreamError

# what takes longer to import than `emostream health` may take in all
HEAVY = {
    "confluent_kafka",
    "kafka",
    "numpy",
    "openvino",
    "prometheus_client",
    "pydantic_settings",
    "starlette",
    "structlog",
    "tokenizers",
    "torch",
    "transformers",
    "uvicorn",
}
IMPORTED = """
import sys
from worker.cli import app
try:
    app(sys.argv[1:])
except SystemExit:
    pass
sys.stderr.write("IMPORTED " + " ".join(sorted(name for name in sys.modules if "." not in name)))
"""


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The app with one more command, `fail`, that raises what the test puts into `failing.error`."""

    def fail() -> None:
        raise FAILURES[0]

    monkeypatch.setitem(cli.COMMANDS, "fail", cli.WORKER)
    monkeypatch.setitem(sys.modules, "worker.cli.fail", type("Module", (), {"fail": staticmethod(fail), "app": None}))
    return cli.app


FAILURES: list[BaseException] = []


@pytest.mark.parametrize(
    "command", [*cli.COMMANDS, "config check", "config show", "config schema", "policy show", "audit estimate"]
)
def test_every_command_explains_itself_with_an_example(emostream: Invoke, command: str) -> None:
    """`--help` of each command shows a line to copy."""
    ran = emostream(*command.split(), "--help")

    assert ran.code == 0
    assert f"Example: emostream {command}" in ran.words


@pytest.mark.parametrize("kind", ["localhost:9092", "kafka"])
def test_a_kind_of_broker_that_cannot_be_started_is_refused(emostream: Invoke, kind: str) -> None:
    """Somebody's running broker is none to start."""
    ran = emostream("broker", "--kind", kind)

    assert (2, "") == (ran.code, ran.out)
    assert [] == [name for name in ("auto", "docker", "jvm", "embedded") if f"'{name}'" not in ran.err]


def test_the_help_lists_every_command(emostream: Invoke) -> None:
    """In panels, with a line each."""
    ran = emostream("--help")

    assert ran.code == 0
    assert [name for name in cli.COMMANDS if name not in ran.words] == []


def test_without_arguments_it_helps(emostream: Invoke) -> None:
    """The help, and exit 2 because nothing was asked."""
    ran = emostream()

    assert "Usage: emostream" in ran.out + ran.err
    assert ran.code == 2


def test_the_version(emostream: Invoke) -> None:
    """One line for people and programs."""
    ran = emostream("--version")

    assert (ran.code, ran.out) == (0, f"emostream {__version__}\n")


@pytest.mark.parametrize("arguments", [("nonsense",), ("--nonsense",), ("config", "check")])
def test_bad_usage_is_exit_2(emostream: Invoke, arguments: tuple[str, ...]) -> None:
    """Unknown commands, unknown options, missing arguments."""
    assert emostream(*arguments).code == 2


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (EmostreamError("it failed"), 1, "emostream: it failed\n"),
        (DrainTimeout("too slow"), 1, "emostream: too slow\n"),
        (ConfigError("a: bad\nb: worse"), 2, "emostream: a: bad\nemostream: b: worse\n"),
        (DeadLetterLimitExceeded("all bad"), 3, "emostream: all bad\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
    ],
)
def test_how_a_command_fails(
    emostream: Invoke, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    """Each error has its exit code and is said in a line for each problem; an interrupt and a closed pipe are quiet."""
    monkeypatch.setattr(sys.modules[__name__], "FAILURES", [error])

    ran = emostream("fail")

    assert (ran.code, ran.err) == (code, said)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["health", "--url", "http://127.0.0.1:1"]])
def test_what_is_asked_often_imports_next_to_nothing(arguments: list[str]) -> None:
    """Probes run every few seconds: commands import what is heavy only when they run."""
    command = [sys.executable, "-c", IMPORTED, *arguments]

    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr

    imported = set(said.partition("IMPORTED ")[2].split())
    assert imported & HEAVY == set()


def test_python_m_worker_is_the_same_command() -> None:
    """For where the script is not on the path."""
    command = [sys.executable, "-m", "worker", "--version"]

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == f"emostream {__version__}\n"


def test_the_installed_command_is_this_app() -> None:
    """`[project.scripts]` names it, where the project is installed."""
    scripts = entry_points(group="console_scripts", name="emostream")

    assert {script.value for script in scripts} <= {"worker.cli:app"}
