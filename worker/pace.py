"""How long the lanes take for a wave, and so when a part of one is closed best: just in time.

Closed earlier it would only wait for the brokers, without the records that come meanwhile; closed later, the brokers
would wait for it. With more load both steps take longer, and waves grow.
"""

from __future__ import annotations

from typing import Final

NEWEST: Final = 0.2
"""How much the newest wave says of the next one."""


class Pace:
    """Typical seconds of both lanes. Called from the pump's thread only."""

    def __init__(self) -> None:
        self._infer_s: float | None = None
        self._publish_s: float | None = None

    def observe(self, *, infer_s: float, publish_s: float) -> None:
        """One wave went through: what the model took for it, and what deciding and publishing it did."""
        self._infer_s = _moved(self._infer_s, infer_s)
        self._publish_s = _moved(self._publish_s, publish_s)

    def close_at(self, publishing_since: float) -> float:
        """When to close the next wave, so that it is computed as the one under way is published; monotonic seconds."""
        if self._infer_s is None or self._publish_s is None:
            return publishing_since
        return publishing_since + max(0.0, self._publish_s - self._infer_s)


def _moved(known: float | None, newest: float) -> float:
    return newest if known is None else known + NEWEST * (newest - known)
