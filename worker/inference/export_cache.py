"""Exported models, kept by the content they were made from, so that each checkpoint is exported once."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from worker.errors import ModelError
from worker.inference.checkpoint import content_hash

EXPORT_FORMAT: Final = 1  # counted up when the same checkpoint would be exported differently


def cache_folder() -> Path:
    """`emostream/openvino` under $XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "emostream" / "openvino"


def exported(folder: Path) -> Path:
    """The IR file made from the checkpoint in `folder`; exports it if need be.

    Safe for several processes: what is found under its final name is complete. Raises ModelError (ExportError where
    the architecture is the reason).
    """
    key = hashlib.sha256(f"{content_hash(folder)} {EXPORT_FORMAT}".encode()).hexdigest()
    target = cache_folder() / key
    if not target.is_dir():
        _export_into(folder, target)
    return target / "openvino_model.xml"


def _export_into(folder: Path, target: Path) -> None:
    from worker.inference.export import export_openvino

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=target.parent))
    except OSError as error:
        raise ModelError(f"{target.parent}: the exported model cannot be kept there: {error.strerror}") from error
    try:
        export_openvino(folder, draft, weights="float32")
        draft.rename(target)
    except OSError as error:
        if not target.is_dir():  # else another process was first
            raise ModelError(f"{target}: the exported model cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
