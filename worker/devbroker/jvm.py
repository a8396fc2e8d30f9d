"""A real Apache Kafka for development and tests: KRaft, one JVM per node, nothing left behind.

Owns starting, faults by signal, and the end of a cluster. Jars come from `distribution`, settings from `properties`;
`processes` sees to it that the JVMs and their data go when we go, whatever ends us.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from uuid import uuid4

from worker.devbroker.distribution import Distribution, prepare
from worker.devbroker.kinds import DevBroker, DevBrokerUnavailable, Report
from worker.devbroker.ports import free_ports
from worker.devbroker.processes import SupervisedProcesses
from worker.devbroker.properties import LOGGING, Cluster, Node, cluster_id, render

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.02
PORT_TRIES = 3
PORT_TAKEN = "Address already in use"
SERVES = "Kafka Server started"
"""Kafka's line when its ports are open, it has caught up with the metadata and the controller lets it serve."""


class JvmBroker(DevBroker):
    """A cluster of combined KRaft nodes with the ids 1, 2, …, made by `start`.

    With three nodes or more: replication factor 3, at least two in-sync replicas. Topics are never made by themselves.
    All data is in `folder`, gone after `close`, at exit, after Ctrl-C and after a crash of this process. Usable from
    any thread.
    """

    kind = "jvm"
    transactional = True

    def __init__(self, distribution: Distribution, cluster: Cluster, *, jvm_options: Sequence[str] = ()) -> None:
        self.cluster = cluster
        self.pids: dict[int, int] = {}
        self._distribution = distribution
        self._jvm_options = jvm_options
        self._processes = SupervisedProcesses()

    @classmethod
    def start(
        cls,
        *,
        nodes: int = 1,
        port: int | None = None,
        listeners: Mapping[str, str] | None = None,
        advertised_hosts: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        scram_users: Mapping[str, str] | None = None,
        report: Report = lambda _line: None,
    ) -> JvmBroker:
        """Fetch if need be, format, start, and return once every node serves.

        `port`: of the first node's PLAINTEXT listener; free ones are taken otherwise. `listeners`: further ones, name
        to security protocol, e.g. `{"SCRAM": "SASL_SSL"}`. `advertised_hosts`: of listeners whose clients are sent to
        the same port of another host. `properties`: over those of `Cluster.properties`. `scram_users`: name to
        password, SCRAM-SHA-512. Raises DevBrokerUnavailable, in one line.
        """
        distribution = prepare(report=report, train=_train)
        protocols = {"PLAINTEXT": "PLAINTEXT", **(listeners or {})}
        tries = 1 if port is not None else PORT_TRIES
        while True:
            tries -= 1
            placed = _place(nodes, port, [*protocols, "CONTROLLER"])
            cluster = Cluster(placed, protocols, properties or {}, advertised_hosts or {})
            broker = cls(distribution, cluster)
            try:
                broker._bring_up(scram_users or {})
            except BaseException as error:
                broker.close()
                if tries and PORT_TAKEN in str(error):
                    continue
                raise
            return broker

    @property
    def bootstrap_servers(self) -> str:
        return self.addresses("PLAINTEXT")

    @property
    def folder(self) -> Path:
        """Everything the cluster writes: `node-N/data` and `node-N/server.log`."""
        return self._processes.folder

    @property
    def supervisor_pid(self) -> int:
        """Of the process that outlives this one to clean up."""
        return self._processes.supervisor_pid

    @property
    def alive(self) -> bool:
        return all(self.running(node) for node in self.pids)

    def addresses(self, listener: str) -> str:
        """`host:port` of a listener on every node as clients are told, separated by commas."""
        return ",".join(self.cluster.advertised(node, listener) for node in self.cluster.nodes)

    def running(self, node: int = 1) -> bool:
        """Whether the node's process lives; a paused one does."""
        return self._processes.status(_name(node)) is None

    def kill(self, node: int = 1) -> None:
        """SIGKILL, as a crash would; returns when the process is gone. Works on a paused node too."""
        self._processes.signal(_name(node), SIGKILL)
        self._await_exit(node)

    def stop(self, node: int = 1) -> None:
        """SIGTERM: a controlled shutdown; returns when the process is gone."""
        self._processes.signal(_name(node), SIGTERM)
        self._await_exit(node)

    def pause(self, node: int = 1) -> None:
        """SIGSTOP: from its return on the node keeps its connections and answers nothing, as a hung machine would."""
        self._processes.signal(_name(node), SIGSTOP)
        _holds(lambda: _stands_still(self.pids[node]), STOP_TIMEOUT_S)

    def resume(self, node: int = 1) -> None:
        """SIGCONT, after `pause`."""
        self._processes.signal(_name(node), SIGCONT)

    def restart(self, *nodes: int) -> None:
        """Start nodes (none named: the first) on their ports with their data, killing them first if they run.

        Returns when they serve; a quorum that is gone comes back only with enough of them at once.
        """
        numbers = nodes or (1,)
        for number in numbers:
            if self.running(number):
                self.kill(number)
        self._launch([self._node(number) for number in numbers])

    def close(self) -> None:
        """Kill every node and remove the data; harmless when repeated."""
        self._processes.close()

    def _bring_up(self, scram_users: Mapping[str, str]) -> None:
        (self.folder / "log4j2.xml").write_text(LOGGING)
        (self.folder / "tmp").mkdir()
        identity = cluster_id(uuid4())
        for node in self.cluster.nodes:
            home = self.folder / _name(node.id)
            home.mkdir()
            properties = self.cluster.properties(node, data=home / "data")
            (home / "server.properties").write_text(render(properties))
            self._start_formatting(home, identity, scram_users)
        for node in self.cluster.nodes:
            self._await_formatted(self.folder / _name(node.id))
        self._launch(self.cluster.nodes)

    def _start_formatting(self, home: Path, identity: str, scram_users: Mapping[str, str]) -> None:
        arguments = ["format", "--cluster-id", identity, "--config", str(home / "server.properties")]
        for name, password in scram_users.items():
            arguments += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        command = self._command("kafka.tools.StorageTool", arguments)
        self._processes.start(f"format-{home.name}", command, log=home / "format.log")

    def _await_formatted(self, home: Path) -> None:
        name = f"format-{home.name}"
        _holds(lambda: self._processes.status(name) is not None, START_TIMEOUT_S)
        if self._processes.status(name) != 0:
            raise DevBrokerUnavailable(f"Kafka's storage could not be formatted: {_cause(home / 'format.log')}")

    def _launch(self, nodes: Iterable[Node]) -> None:
        log_starts = {node.id: self._start_node(node) for node in nodes}
        deadline = time.monotonic() + START_TIMEOUT_S
        for number, log_start in log_starts.items():
            self._await_serving(self._node(number), log_start, timeout_s=deadline - time.monotonic())

    def _start_node(self, node: Node) -> int:
        """Start the process; the size its log had before."""
        home = self.folder / _name(node.id)
        log = home / "server.log"
        size = log.stat().st_size if log.exists() else 0
        command = self._command("kafka.Kafka", [str(home / "server.properties")], options=self._jvm_options)
        self.pids[node.id] = self._processes.start(_name(node.id), command, log=log)
        return size

    def _await_serving(self, node: Node, log_start: int, *, timeout_s: float) -> None:
        log = self.folder / _name(node.id) / "server.log"
        # its own word for it: an open port may be that of another program which has taken it
        served = _holds(lambda: not self.running(node.id) or SERVES in _logged(log, log_start), timeout_s)
        if not self.running(node.id):
            cause = _cause(log, start=log_start)
            raise DevBrokerUnavailable(f"Kafka ended while it started on {node.address()}: {cause}")
        if not served:
            raise DevBrokerUnavailable(f"Kafka did not serve on {node.address()} within {START_TIMEOUT_S:.0f} s")

    def _node(self, number: int) -> Node:
        return next(node for node in self.cluster.nodes if node.id == number)

    def _command(self, main: str, arguments: Sequence[str], *, options: Sequence[str] = ()) -> list[str]:
        ours = [f"-Dlog4j2.configurationFile={self.folder / 'log4j2.xml'}", f"-Djava.io.tmpdir={self.folder / 'tmp'}"]
        return self._distribution.command(main, *arguments, options=[*ours, *options])

    def _await_exit(self, node: int) -> None:
        if not _holds(lambda: not self.running(node), STOP_TIMEOUT_S):
            raise DevBrokerUnavailable(f"Kafka node {node} did not end within {STOP_TIMEOUT_S:.0f} s")


def _stands_still(pid: int) -> bool:
    """Whether none of a process's threads runs on; on a busy machine that takes some milliseconds after the signal."""
    try:
        stats = [(thread / "stat").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:  # one of them has just ended, or all have, or this system has no such files
        return not Path(f"/proc/{pid}").exists()
    return all(stat.rpartition(")")[2].split()[0] in "TtZX" for stat in stats)


def _train(distribution: Distribution, archive: Path) -> None:
    """Start and stop a broker so that its JVM writes the classes it loaded to `archive`."""
    cluster = Cluster(_place(1, None, ["PLAINTEXT", "CONTROLLER"]))
    with JvmBroker(distribution, cluster, jvm_options=[f"-XX:ArchiveClassesAtExit={archive}"]) as broker:
        broker._bring_up({})
        broker.stop()


def _place(count: int, port: int | None, listeners: Sequence[str]) -> list[Node]:
    """Nodes with a free port for every listener; the first node's PLAINTEXT one is `port`, if given."""
    free = iter(free_ports(count * len(listeners)))
    nodes = [Node(number, {name: next(free) for name in listeners}) for number in range(1, count + 1)]
    if port is not None:
        nodes[0] = Node(1, {**nodes[0].ports, "PLAINTEXT": port})
    return nodes


def _name(node: int) -> str:
    return f"node-{node}"


def _holds(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Wait for the condition; False when it did not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _logged(log: Path, start: int) -> str:
    with log.open("rb") as stream:
        stream.seek(start)
        return stream.read().decode(errors="replace")


def _cause(log: Path, *, start: int = 0) -> str:
    """What the log says went wrong, as one line: the innermost exception, else the last line."""
    lines = [line.strip() for line in _logged(log, start).splitlines() if line.strip()]
    telling = [line for line in lines if "Exception: " in line or PORT_TAKEN in line]
    return (telling or lines or ["no output"])[-1].removeprefix("Caused by: ")
