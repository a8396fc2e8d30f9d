"""Scores of recently computed token sequences, so that repeated texts cost no forward pass."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

Scored = TypeVar("Scored")


class RecentScores(Generic[Scored]):
    """Least-recently-used scores by the bytes of the token ids; at most `capacity` of them (0: none). Thread-safe."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._scores: OrderedDict[bytes, Scored] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._scores)

    def find(self, keys: Iterable[bytes]) -> dict[bytes, Scored]:
        """The known ones among `keys`, each made the most recent."""
        found = {}
        with self._lock:
            for key in keys:
                scores = self._scores.get(key)
                if scores is not None:
                    self._scores.move_to_end(key)
                    found[key] = scores
        return found

    def remember(self, scores: Mapping[bytes, Scored]) -> None:
        """Keep these, forgetting the least recently used above the capacity."""
        if not self._capacity:
            return
        with self._lock:
            self._scores.update(scores)
            while len(self._scores) > self._capacity:
                self._scores.popitem(last=False)
