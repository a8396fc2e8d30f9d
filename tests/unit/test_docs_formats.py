"""docs/formats.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.documentation import SECTIONS, main, refreshed
from worker.config import Settings

FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"
PAGE = FORMATS.read_text(encoding="utf-8")


def test_generated_parts_are_up_to_date() -> None:
    """`python -m schemas.documentation docs/formats.md` would change nothing."""
    assert refreshed(PAGE) == PAGE


def test_every_generated_part_is_on_the_page() -> None:
    """Nothing that can be generated is left out."""
    assert set(SECTIONS) == set(re.findall("<!-- generated: ([a-z -]+) -->", PAGE))


def test_page_is_written_anew(tmp_path: Path) -> None:
    """An outdated part is replaced, and the text around it stays."""
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- generated: rules -->\nold\n<!-- end -->\nafter\n")

    main(path)

    written = path.read_text()
    assert ("before", "after") == (written.splitlines()[0], written.splitlines()[-1])
    assert "`argmax`" in written
    assert "old" not in written.splitlines()


def test_links_lead_to_headings() -> None:
    """Links within the page lead to one of its headings."""
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in re.findall("^#+ (.*)", PAGE, re.M)
    }

    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings


@pytest.mark.parametrize("key", sorted(set(re.findall(r"`((?:kafka|input|decision)\.\w+)`", PAGE))))
def test_settings_that_it_names_exist(key: str) -> None:
    """A setting that the page names is one of the configuration."""
    section, name = key.split(".")

    assert name in type(getattr(Settings(), section)).model_fields


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_python_on_the_page_imports(code: str) -> None:
    """The Python examples import what exists."""
    imports = "\n".join(line for line in code.splitlines() if line.startswith("from "))

    exec(imports, {})
