"""Transactional ids: stable for each worker on a host, never shared by two that live.

A restarted worker that takes the id of its former life ends the transaction it left open at once; with another id that
transaction blocks its partitions until it times out.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import socket
import tempfile
from pathlib import Path

SLOTS = 256


class TransactionalIdSlot:
    """The lowest slot of this host that no living worker of the group holds; kept until the process ends.

    The lock is a file lock, so that a killed worker's slot is free at once. Where no lock can be taken, the id is
    random.
    """

    def __init__(self, group_id: str, *, folder: Path | None = None, host: str | None = None) -> None:
        self._prefix = f"emostream-{group_id}-{host or socket.gethostname()}"
        self._lock: int | None = None
        self._suffix = self._claim(group_id, folder or Path(tempfile.gettempdir()))

    @property
    def transactional_id(self) -> str:
        return f"{self._prefix}-{self._suffix}"

    def renew(self) -> None:
        """Someone else uses our id, on a host of the same name: go on under one that nobody has."""
        self._suffix = secrets.token_hex(6)

    def release(self) -> None:
        """Free the slot before the process ends; harmless when repeated."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _claim(self, group_id: str, folder: Path) -> str:
        group = hashlib.sha256(group_id.encode()).hexdigest()[:16]
        for number in range(SLOTS):
            try:
                self._lock = _locked(folder / f"emostream-{group}-{number}.lock")
            except OSError:
                continue
            return str(number)
        return secrets.token_hex(6)


def _locked(path: Path) -> int:
    """An open, locked descriptor. Raises OSError when another holds the file, or it may not be used."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
