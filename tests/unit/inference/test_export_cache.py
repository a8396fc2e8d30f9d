from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.inference.folders import model_folder
from worker.errors import ExportError, ModelError
from worker.inference.export_cache import cache_folder, exported

Export = Callable[[Path, Path], None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder()


@pytest.fixture
def use_export(monkeypatch: pytest.MonkeyPatch) -> Callable[[Export], None]:
    """Puts a function in the place of the real export, which needs torch."""

    def use(export: Export) -> None:
        module = SimpleNamespace(export_openvino=lambda folder, out, *, weights: export(folder, out))
        monkeypatch.setitem(sys.modules, "worker.inference.export", module)

    return use


def write_file(_: Path, out: Path) -> None:
    (out / "openvino_model.xml").write_text("exported")


def test_exported_once(tmp_path: Path, cache: Path, use_export: Callable[[Export], None]) -> None:
    """The second time nothing is exported; the same content in another folder counts as the same model."""
    folders = [model_folder(tmp_path / name) for name in ("model", "copy")]
    calls: list[Path] = []
    use_export(lambda folder, out: (calls.append(folder), write_file(folder, out))[-1])

    files = [exported(folder) for folder in (*folders, *folders)]

    assert 1 == len(set(files)) == len(calls) == len(list(cache.iterdir()))
    assert "exported" == files[0].read_text()


def test_other_content_is_exported_again(tmp_path: Path, use_export: Callable[[Export], None]) -> None:
    """Changed weights are another model."""
    folder = model_folder(tmp_path / "model")
    use_export(write_file)
    before = exported(folder)

    (folder / "model.safetensors").write_bytes(b"other weights")

    assert before != exported(folder)


def test_two_processes_at_once(tmp_path: Path, cache: Path, use_export: Callable[[Export], None]) -> None:
    """Where another process finished the same export first, its result is used and nothing is left behind."""
    folder = model_folder(tmp_path / "model")

    def overtaken(source: Path, out: Path) -> None:
        use_export(write_file)
        exported(source)
        (out / "openvino_model.xml").write_text("late")

    use_export(overtaken)

    assert "exported" == exported(folder).read_text()
    assert 1 == len(list(cache.iterdir()))


def test_a_failed_export_leaves_nothing(tmp_path: Path, cache: Path, use_export: Callable[[Export], None]) -> None:
    """An export that fails half-way is not taken for a model the next time."""
    folder = model_folder(tmp_path / "model")

    def fail(source: Path, out: Path) -> None:
        write_file(source, out)
        raise ExportError("cannot be exported")

    use_export(fail)
    with pytest.raises(ExportError):
        exported(folder)

    assert [] == list(cache.iterdir())


def test_a_cache_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_export: Callable[[Export], None]
) -> None:
    """A cache folder that cannot be made is one line that names it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    use_export(write_file)

    with pytest.raises(ModelError, match="cannot be kept there"):
        exported(model_folder(tmp_path / "model"))
