"""The policy file between waves: what changed and is good is taken over, what is bad is told once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from schemas.examples import POLICY
from schemas.policy import Policy, dump_policy, policy_id
from worker.errors import PolicyError
from worker.policy_file import LOOK_EVERY_S, PolicyFile, Reload
from worker.testing import FakeClock

OTHER = POLICY.model_copy(update={"temperature": 2.5})


class Watched:
    """A policy file in a folder laid out as Kubernetes mounts a ConfigMap, and what became of its changes."""

    def __init__(self, folder: Path, *, mean: Callable[[Policy], Policy] = lambda policy: policy) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.told: list[Reload] = []
        self.path = folder / "policy.json"
        self.path.symlink_to(Path("..data") / "policy.json")
        self.swap(dump_policy(POLICY))
        self.file = PolicyFile(self.path, POLICY, mean=mean, told=self.told.append, clock=self.clock)

    def swap(self, content: str) -> None:
        """Another version in a folder of its own, and one rename of the link to it."""
        version = self.folder / f"..version-{len(list(self.folder.iterdir()))}"
        version.mkdir()
        (version / "policy.json").write_text(content)
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self.folder / "..data")

    def look(self) -> Policy | None:
        """As between two waves some time apart."""
        self.clock.advance(LOOK_EVERY_S)
        return self.file.look()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_file_that_stays_changes_nothing(watched: Watched) -> None:
    """Nor does one that is written anew with the same content."""
    before = [watched.look(), watched.look()]
    watched.swap(dump_policy(POLICY))

    assert [None, None, None] == [*before, watched.look()]
    assert [] == watched.told


def test_a_config_map_update_is_taken_over_once(watched: Watched) -> None:
    """The link is swapped: the new policy comes out of one look, with a line that names both."""
    watched.look()
    watched.swap(dump_policy(OTHER))

    with capture_logs() as lines:
        found = [watched.look(), watched.look()]

    assert [OTHER, None] == found
    assert [Reload.APPLIED] == watched.told
    assert [(policy_id(OTHER), policy_id(POLICY))] == [(line["policy"], line["before"]) for line in lines]


def test_a_file_that_is_rewritten_in_place_is_taken_over(watched: Watched) -> None:
    """As an editor does it."""
    watched.look()
    watched.path.write_text(dump_policy(OTHER))

    assert OTHER == watched.look()


@pytest.mark.parametrize("content", ["", "{", "{}", dump_policy(POLICY).replace("argmax", "argmin")])
def test_a_bad_file_is_refused_with_one_line(watched: Watched, content: str) -> None:
    """However often it is looked at; what was in force stays so, and the next good one is taken over."""
    watched.swap(content)

    with capture_logs() as lines:
        found = [watched.look(), watched.look(), watched.look()]
    watched.swap(dump_policy(OTHER))

    assert [None, None, None, OTHER] == [*found, watched.look()]
    assert [("policy.refused", "error", policy_id(POLICY))] == [
        (line["event"], line["log_level"], line["stays"]) for line in lines
    ]
    assert [Reload.REFUSED, Reload.APPLIED] == watched.told


def test_a_policy_of_another_model_is_refused(tmp_path: Path) -> None:
    """What the caller cannot decide by is as bad as what cannot be read."""

    def refuse(policy: Policy) -> Policy:
        raise PolicyError("the policy belongs to another model")

    watched = Watched(tmp_path, mean=refuse)
    watched.swap(dump_policy(OTHER))

    assert watched.look() is None
    assert [Reload.REFUSED] == watched.told


def test_a_file_that_goes_is_told_once(watched: Watched) -> None:
    """The policy in force stays, and the file may come back as it was."""
    watched.path.unlink()
    gone = [watched.look(), watched.look()]
    watched.path.write_text(dump_policy(POLICY))

    assert [None, None, None] == [*gone, watched.look()]
    assert [Reload.REFUSED] == watched.told


def test_going_back_is_a_change_too(watched: Watched) -> None:
    """The former policy comes back as any other."""
    watched.swap(dump_policy(OTHER))
    there = watched.look()
    watched.swap(dump_policy(POLICY))

    assert [OTHER, POLICY] == [there, watched.look()]


def test_the_file_system_is_not_asked_for_every_wave(watched: Watched) -> None:
    """Within the interval a change is not seen."""
    watched.look()
    watched.swap(dump_policy(OTHER))
    watched.clock.advance(LOOK_EVERY_S / 2)

    assert watched.file.look() is None
    assert OTHER == watched.look()
