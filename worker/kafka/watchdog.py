"""Suspects partitions that are read from, have records left, and yet deliver none: the client has lost them (D23)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kafka.structs import TopicPartition as ClientPartition

STUCK_AFTER_S = 10.0
CHECK_EVERY_S = 1.0


class StuckWatch:
    """Asked with `now`; a partition is suspect after STUCK_AFTER_S behind without a delivery."""

    def __init__(self) -> None:
        self._since: dict[ClientPartition, float] = {}
        self._checked_at = float("-inf")

    def due(self, now: float) -> bool:
        """Whether it is time to look again."""
        return now - self._checked_at >= CHECK_EVERY_S

    def delivered(self, partitions: Iterable[ClientPartition]) -> None:
        for partition in partitions:
            self._since.pop(partition, None)

    def suspects(self, behind: Collection[ClientPartition], now: float) -> list[ClientPartition]:
        """`behind`: the partitions that flow and have records left now; whoever is not among them is forgiven."""
        self._checked_at = now
        self._since = {partition: self._since.get(partition, now) for partition in behind}
        return [partition for partition, since in self._since.items() if now - since >= STUCK_AFTER_S]

    def forgive(self) -> None:
        """Nothing was expected: paused, held, or newly connected."""
        self._since.clear()
