"""README.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.documentation import refreshed
from worker.cli import COMMANDS
from worker.config import load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_sample_event_is_the_documented_one() -> None:
    """`python -m schemas.documentation README.md` would change nothing."""
    assert "```json" in README
    assert refreshed(README) == README


def test_the_sample_configuration_can_be_used(tmp_path: Path) -> None:
    """Copied to a file, it passes the check."""
    (yaml,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "worker.yaml"
    path.write_text(yaml)

    assert load(path).kafka.input_topics == ("comments",)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?:\$ |`)emostream (\w+)", README))))
def test_commands_that_it_names_exist(name: str) -> None:
    """Every command in the text is one of the program."""
    assert name in COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_its_table_has_every_command(name: str) -> None:
    """A row for each, or a place in one."""
    (table,) = re.findall(r"\| command \| does \|\n(.*?)\n\n", README, re.DOTALL)

    assert re.search(rf"^\| [^|]*`(emostream )?{name}`", table, re.MULTILINE)


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_it_links_to_every_page_of_the_documentation(page: str) -> None:
    """Nobody has to look for one."""
    assert f"(docs/{page}" in README


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:\$ |`)make (\w+)", README))))
def test_make_targets_that_it_names_exist(target: str) -> None:
    """Every make target in the text is in the Makefile."""
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_somewhere(path: str) -> None:
    """Every file that it links to exists."""
    assert (ROOT / path).exists()
