"""Files that commands write besides what they say on standard output."""

from __future__ import annotations

from pathlib import Path

from worker.errors import DataError


def write_file(path: Path, content: str) -> None:
    """Write the text as UTF-8. Raises DataError, in one line, where that cannot be."""
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
