"""How a contender without Kafka is asked: a line of JSON `{"texts": FILE, "count": N}`, a line with the seconds back.

The first line it writes says that it is ready. Only the program's own work is timed, not start-up; CPU seconds are the
process's in the same stretch.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def take_turns(work: Callable[[list[str]], dict[str, Any] | None], **ready: Any) -> None:
    """Answer until the input ends; then leave at once, because not every library lets a process end."""
    try:
        print(json.dumps({"ready": True, **ready}), flush=True)
        for line in sys.stdin:
            print(json.dumps(_turn(work, **json.loads(line))), flush=True)
    except BrokenPipeError:  # whoever asked is gone
        pass
    os._exit(0)


def _turn(work: Callable[[list[str]], dict[str, Any] | None], *, texts: str, count: int) -> dict[str, Any]:
    chosen = json.loads(Path(texts).read_text())[:count]
    began, cpu_began = time.perf_counter(), time.process_time()
    told = work(chosen) or {}
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    return {"texts": len(chosen), "seconds": seconds, "cpu_s": cpu_s, **told}
