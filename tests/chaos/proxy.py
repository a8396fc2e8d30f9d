"""A TCP proxy between workers and brokers that can be told to misbehave. Knows nothing of Kafka.

One `Route` for each broker, all on one asyncio loop in a thread of its own.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Self

Address = tuple[str, int]
CHUNK_BYTES = 65_536


class Mode(Enum):
    """What a route does with the bytes it is given."""

    PASS = auto()
    DELAY = auto()
    """Every chunk waits `delay_s`, in both directions."""
    STALL = auto()
    """Nothing moves; what was sent meanwhile arrives afterwards."""
    SWALLOW = auto()
    """Half-open: connections look alive, but nothing that is sent on them ever arrives, not even afterwards."""
    REFUSE = auto()
    """New connections are reset."""


class _Connection:
    def __init__(self, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self.dead = False
        self._writers = writers

    def reset(self) -> None:
        """RST to both sides: neither reads what is still under way."""
        for writer in self._writers:
            found: socket.socket | None = writer.get_extra_info("socket")
            if found is not None and found.fileno() >= 0:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Route:
    """One listening address and where it leads. `behave` and `cut` may be called from any thread."""

    def __init__(self, listens: Address, leads_to: Address, loop: asyncio.AbstractEventLoop) -> None:
        self.listens = listens
        self.leads_to = leads_to
        self._loop = loop
        self._mode = Mode.PASS
        self._delay_s = 0.0
        self._moving = asyncio.Event()
        self._moving.set()
        self._connections: set[_Connection] = set()

    def behave(self, mode: Mode, *, delay_s: float = 0.0) -> None:
        """From now on; returns when it is so."""
        self._in_loop(lambda: self._behave(mode, delay_s))

    def cut(self) -> None:
        """Reset every connection that is open now."""
        self._in_loop(self._cut)

    async def serve(self) -> asyncio.Server:
        host, port = self.listens
        return await asyncio.start_server(self._accept, host, port, limit=CHUNK_BYTES)

    def _behave(self, mode: Mode, delay_s: float) -> None:
        self._mode, self._delay_s = mode, delay_s
        if mode is Mode.STALL:
            self._moving.clear()
        else:
            self._moving.set()

    def _cut(self) -> None:
        for connection in list(self._connections):
            connection.reset()

    def _in_loop(self, work: Callable[[], None]) -> None:
        done = threading.Event()

        def worked() -> None:
            work()
            done.set()

        self._loop.call_soon_threadsafe(worked)
        done.wait(10)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode is Mode.REFUSE:
            _Connection((writer, writer)).reset()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.leads_to, limit=CHUNK_BYTES)
        except OSError:
            _Connection((writer, writer)).reset()
            return
        connection = _Connection((writer, far_writer))
        self._connections.add(connection)
        ways = [self._carry(connection, reader, far_writer), self._carry(connection, far_reader, writer)]
        try:
            await asyncio.wait(map(asyncio.ensure_future, ways), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connections.discard(connection)
            writer.close()
            far_writer.close()

    async def _carry(self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                await self._moving.wait()
                if self._mode is Mode.DELAY:
                    await asyncio.sleep(self._delay_s)
                if self._mode is Mode.SWALLOW or connection.dead:
                    connection.dead = True
                    continue
                writer.write(chunk)
                await writer.drain()
        except OSError:
            return


class Proxy:
    """Routes by the number of their broker. Use as a context."""

    def __init__(self, routes: Mapping[int, tuple[Address, Address]]) -> None:
        self._loop = asyncio.new_event_loop()
        self.routes = {number: Route(listens, leads_to, self._loop) for number, (listens, leads_to) in routes.items()}
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        for route in self.routes.values():
            self._servers.append(asyncio.run_coroutine_threadsafe(route.serve(), self._loop).result(10))
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for route in self.routes.values():
            route._behave(Mode.PASS, 0.0)
            route._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
