"""`emostream broker` in a process of its own: what it prints, and what is left when it ends."""

from __future__ import annotations

import subprocess
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from tests.integration.devbroker.watching import becomes, end, python
from tests.kafka_io import ToSend, produce, read_topic
from worker.devbroker.ports import free_ports
from worker.devbroker.topics import create_topics

COMMAND = "import sys, typer; from worker.cli.broker import broker; sys.argv[1:] = {arguments}; typer.run(broker)"


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, process.communicate()[1]
    return line


@pytest.mark.broker
@pytest.mark.usefixtures("jvm_broker")
def test_it_prints_its_address_serves_and_cleans_up(tmp_path: Path) -> None:
    """The address alone is on standard output; Ctrl-C ends it with 0 and leaves nothing behind."""
    (port,) = free_ports(1)
    with python(COMMAND.format(arguments=["--kind", "jvm", "--port", str(port)]), TMPDIR=str(tmp_path)) as command:
        servers = address(command)
        create_topics(servers, {"texts": 1})
        produce(servers, "texts", [ToSend(b"one")])
        stored = read_topic(servers, "texts")

        status = end(command, SIGINT)

        out, err = command.communicate()
        left = list(tmp_path.iterdir())
    assert f"127.0.0.1:{port}" == servers
    assert [b"one"] == [record.value for record in stored]
    assert (0, "", []) == (status, out, left)
    assert "press Ctrl-C to stop" in err


@pytest.mark.broker
@pytest.mark.usefixtures("jvm_broker")
def test_a_signal_while_it_starts_cleans_up_too(tmp_path: Path) -> None:
    """Whoever loses patience leaves nothing behind either."""
    with python(COMMAND.format(arguments=["--kind", "jvm"]), TMPDIR=str(tmp_path)) as command:
        assert becomes(lambda: any(tmp_path.iterdir()))

        status = end(command, SIGTERM)

        out, _ = command.communicate()
    assert (0, "") == (status, out)
    assert becomes(lambda: not any(tmp_path.iterdir()))


def test_the_embedded_kind_says_what_it_cannot() -> None:
    """At-least-once only, said before the address is used."""
    with python(COMMAND.format(arguments=["--kind", "embedded"])) as command:
        servers = address(command)

        status = end(command, SIGTERM)

        _, err = command.communicate()
    assert servers.startswith("127.0.0.1:")
    assert 0 == status
    assert "at-least-once only" in err


def test_without_a_docker_engine_the_docker_kind_is_refused_in_one_line(tmp_path: Path) -> None:
    """The message says what to start or set; the error is the one the command turns into its exit code."""
    with python(
        "from worker.devbroker import DevBrokerUnavailable, start\n"
        "try: start('docker', report=print)\n"
        "except DevBrokerUnavailable as refused: print(refused)\n",
        DOCKER_HOST=f"unix://{tmp_path}/no-engine.sock",
    ) as process:
        out, _ = process.communicate()

    assert 1 == len(out.splitlines())
    assert out.startswith("no Docker engine answers: start it, or set DOCKER_HOST")
