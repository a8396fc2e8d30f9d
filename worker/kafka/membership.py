"""When a poll may be trusted: only between two equal, stable looks at the group membership (D16)."""

from __future__ import annotations

from typing import Any, NamedTuple

from kafka.structs import MemberState


class Identity(NamedTuple):
    """What fencing compares: the group's generation, and who we are in it."""

    generation: int
    member_id: str


def stable_identity(metadata: Any) -> Identity | None:
    """Of the client's group metadata; None while joining, rebalancing or expelled."""
    if metadata.state != MemberState.STABLE or metadata.generation_id <= 0:
        return None
    return Identity(metadata.generation_id, metadata.member_id)
