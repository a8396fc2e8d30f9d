"""How each kind of fault is done, and undone. Blocks until it is over."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping

from tests.chaos.fleet import Fleet
from tests.chaos.proxy import Mode
from tests.chaos.schedule import Fault, Kind
from tests.chaos.site import Site

USUAL_WORKERS = 2
MANY_WORKERS = 6


class Faults:
    """Hurts one site and one fleet. After each call everything is as it should be, but for what must recover."""

    def __init__(self, site: Site, fleet: Fleet) -> None:
        self._site = site
        self._fleet = fleet
        self._ways: Mapping[Kind, Callable[[Fault], None]] = {
            Kind.WORKER_KILL: lambda fault: self._end_worker(fault, signal.SIGKILL),
            Kind.WORKER_TERM: lambda fault: self._end_worker(fault, signal.SIGTERM),
            Kind.WORKER_ZOMBIE: self._zombie,
            Kind.WORKERS_JOIN_AND_LEAVE: self._join_and_leave,
            Kind.BROKER_KILL: lambda fault: self._kill_broker(fault, self._node(fault)),
            Kind.BROKER_OUTAGE: self._outage,
            Kind.BROKER_PAUSE: self._pause_broker,
            Kind.BROKER_STOP: self._stop_broker,
            Kind.COORDINATOR_KILL: lambda fault: self._kill_broker(
                fault, self._site.coordinator() or self._node(fault)
            ),
            Kind.NETWORK_STALL: lambda fault: self._network(fault, Mode.STALL),
            Kind.NETWORK_HALF_OPEN: lambda fault: self._network(fault, Mode.SWALLOW),
            Kind.NETWORK_CUT: lambda fault: self._network(fault, Mode.PASS),
            Kind.NETWORK_REFUSE: lambda fault: self._network(fault, Mode.REFUSE),
            Kind.NETWORK_DELAY: self._delay,
        }

    def do(self, fault: Fault) -> None:
        """From the beginning of the fault to its end."""
        self._ways[fault.kind](fault)

    def restore(self) -> None:
        """As many workers as usual; who ended by itself is noted."""
        self._fleet.keep(USUAL_WORKERS)

    def _node(self, fault: Fault) -> int:
        nodes = self._site.nodes
        return nodes[int(fault.pick * len(nodes)) % len(nodes)]

    def _end_worker(self, fault: Fault, number: signal.Signals) -> None:
        self._fleet.pick(fault.pick).end(number)
        time.sleep(fault.lasts_s)
        self._fleet.keep(USUAL_WORKERS)

    def _zombie(self, fault: Fault) -> None:
        zombie = self._fleet.pick(fault.pick)
        zombie.signal(signal.SIGSTOP)
        time.sleep(fault.lasts_s)
        zombie.signal(signal.SIGCONT)

    def _join_and_leave(self, fault: Fault) -> None:
        while len(self._fleet.workers) < MANY_WORKERS:
            self._fleet.start()
            time.sleep(fault.lasts_s / 2 / MANY_WORKERS)
        time.sleep(fault.lasts_s / 2)
        self._fleet.shrink(USUAL_WORKERS, signal.SIGTERM if fault.pick < 0.7 else signal.SIGKILL)

    def _kill_broker(self, fault: Fault, node: int) -> None:
        self._site.broker.kill(node)
        time.sleep(fault.lasts_s)
        self._site.broker.restart(node)

    def _outage(self, fault: Fault) -> None:
        broker = self._site.broker
        for node in self._site.nodes:
            broker.kill(node)
        time.sleep(fault.lasts_s)
        broker.restart(*self._site.nodes)

    def _pause_broker(self, fault: Fault) -> None:
        node = self._node(fault)
        self._site.broker.pause(node)
        time.sleep(fault.lasts_s)
        self._site.broker.resume(node)

    def _stop_broker(self, fault: Fault) -> None:
        node = self._node(fault)
        self._site.broker.stop(node)
        time.sleep(fault.lasts_s)
        self._site.broker.restart(node)

    def _network(self, fault: Fault, mode: Mode) -> None:
        """To all brokers alike: half a network is what broker faults are for. It ends with a reset."""
        for route in self._site.routes:
            route.behave(mode)
            if mode is Mode.REFUSE:
                route.cut()
        time.sleep(fault.lasts_s)
        for route in self._site.routes:
            route.behave(Mode.PASS)
            route.cut()

    def _delay(self, fault: Fault) -> None:
        for route in self._site.routes:
            route.behave(Mode.DELAY, delay_s=0.2)
        time.sleep(fault.lasts_s)
        for route in self._site.routes:
            route.behave(Mode.PASS)
