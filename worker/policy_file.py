"""The policy file while the worker runs: looked at between waves, taken over when it has changed and is good.

A Kubernetes ConfigMap changes by swapping a symbolic link, an editor by replacing or rewriting the file: the file's
identity, size and time of change tell all of them. What a policy means, and who counts, is for the caller to say.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from schemas.policy import InvalidPolicy, Policy, load_policy, policy_id
from worker.clock import Clock
from worker.errors import PolicyError

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0

Meaning = TypeVar("Meaning")
Stamp = tuple[int, int, int, int] | None


class Reload(StrEnum):
    """What became of a changed policy file."""

    APPLIED = "applied"
    REFUSED = "refused"


class PolicyFile(Generic[Meaning]):
    """One policy file, in force as `policy` when this is made; `look` says when there is another. Not thread-safe.

    `mean` turns a policy into what the caller decides by, or raises PolicyError; `told` hears what became of a change.
    """

    def __init__(
        self,
        path: Path,
        policy: Policy,
        *,
        mean: Callable[[Policy], Meaning],
        told: Callable[[Reload], None],
        clock: Clock,
    ) -> None:
        self._path = path
        self._id = policy_id(policy)
        self._mean = mean
        self._told = told
        self._clock = clock
        self._stamp: Stamp = (0, 0, 0, 0)  # of no file: the first look finds what changed while the worker started
        self._look_at = clock.monotonic()

    def look(self) -> Meaning | None:
        """What to decide by from now on, if that has changed; asks the file system at most every `LOOK_EVERY_S`.

        A file that is gone or bad is told once, and what was in force stays so.
        """
        now = self._clock.monotonic()
        if now < self._look_at:
            return None
        self._look_at = now + LOOK_EVERY_S
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return None
        try:
            policy = load_policy(self._path)
            changed = None if policy_id(policy) == self._id else self._mean(policy)
        except (InvalidPolicy, PolicyError) as error:
            self._refuse(str(error), stamp)
            return None
        if stamp != _stamp(self._path):
            return None  # it changed while it was read: the next look sees all of it
        self._stamp = stamp
        if changed is not None:
            self._apply(policy_id(policy))
        return changed

    def _apply(self, new_id: str) -> None:
        log.info("policy.changed", policy=new_id, before=self._id)
        self._id = new_id
        self._told(Reload.APPLIED)

    def _refuse(self, reason: str, stamp: Stamp) -> None:
        if stamp != _stamp(self._path):
            return
        self._stamp = stamp
        log.error("policy.refused", reason=reason, stays=self._id)
        self._told(Reload.REFUSED)


def _stamp(path: Path) -> Stamp:
    """What tells one state of a file from another, links followed; None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
