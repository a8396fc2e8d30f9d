"""Where models come from: builtin, a directory, or the Hugging Face Hub; resolved to a folder and a revision.

Fetches only what is safe to load: safetensors, IR and ONNX files, tokenizers and JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import worker
from worker.errors import ModelError
from worker.inference.checkpoint import content_hash, refuse_links_out

BUILTIN_PREFIX: Final = "builtin:"
BUILTIN_FOLDER: Final = Path(worker.__file__).parent / "models"
HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", re.ASCII)
HUB_FILES: Final = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "policy.json",
    "surprise.npz",
    "training.json",
    "agreement.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "openvino_model.xml",
    "openvino_model.bin",
)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model's folder on this machine. `revision`: the resolved Hub commit, or `sha256:…` of the content."""

    name: str
    folder: Path
    revision: str


def builtin_names() -> list[str]:
    """The models that come with the package, as they are named everywhere."""
    return sorted(f"{BUILTIN_PREFIX}{config.parent.name}" for config in BUILTIN_FOLDER.glob("*/config.json"))


def resolve(name: str, *, revision: str | None = None) -> ModelSource:
    """Find the model called `name`; `revision` is a Hub branch, tag or commit. Raises ModelError."""
    folder = Path(name).expanduser()
    on_hub = not name.startswith(BUILTIN_PREFIX) and not folder.is_dir()
    if revision is not None and not on_hub:
        raise ModelError(f"model {name} is no Hub model: leave model.revision empty")
    if name.startswith(BUILTIN_PREFIX):
        folder = BUILTIN_FOLDER / name.removeprefix(BUILTIN_PREFIX)
        if name not in builtin_names():
            raise ModelError(f"no model {name}: there are {', '.join(builtin_names()) or 'none in this installation'}")
    if on_hub:
        return _from_hub(name, revision)
    refuse_links_out(folder)
    return ModelSource(name, folder, content_hash(folder))


def _from_hub(name: str, revision: str | None) -> ModelSource:
    if not HUB_ID.fullmatch(name):
        raise ModelError(f"model {name}: no such directory")
    if f"{BUILTIN_PREFIX}{name}" in builtin_names():
        raise ModelError(f"model {name}: no such directory; did you mean {BUILTIN_PREFIX}{name}?")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError:
        raise ModelError(
            f"model {name}: no such directory, and fetching it from the Hub needs: pip install 'emostream[torch]'"
        ) from None
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(HUB_FILES)))
    except HFValidationError as error:
        raise ModelError(f"model {name}: neither a directory nor a Hub id") from error
    except LocalEntryNotFoundError as error:
        raise ModelError(f"model {name}: no such directory, and the Hub cannot be reached") from error
    except HfHubHTTPError as error:
        raise ModelError(f"model {name}: no such directory, and the Hub refuses it: {_reason(error)}") from error
    except OSError as error:
        raise ModelError(f"model {name}: cannot be fetched from the Hub: {type(error).__name__}") from error
    return ModelSource(name, folder, folder.name)


def _reason(error: Exception) -> str:
    """The first sentence of a Hub error; what follows are addresses and advice for other programs."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
