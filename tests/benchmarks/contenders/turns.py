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
    print(json.dumps({"ready": True, **ready}), flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        texts = json.loads(Path(wanted["texts"]).read_text())[: wanted["count"]]
        began, cpu_began = time.perf_counter(), time.process_time()
        told = work(texts) or {}
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        print(json.dumps({"texts": len(texts), "seconds": seconds, "cpu_s": cpu_s, **told}), flush=True)
    sys.stdout.flush()
    os._exit(0)
