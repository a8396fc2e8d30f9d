"""Float models to int8 by post-training quantization: weights and activations, by nncf (the `learning` extra).

Every scale is fixed beforehand from the calibration texts, none is taken from the texts in hand: a text's scores must
not depend on its neighbours. How far the result stands from float32 is measured by who asked for it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from openvino.passes import ConstantFolding, Manager

from worker.errors import ExportError, ModelError

CALIBRATION_TEXTS: Final = 300
# nncf's settings for transformers as they are. On a 6-layer encoder (rms of the probability differences 0.011): without
# SmoothQuant the 99th percentile doubles; another strength of it, ranges by quantile or histogram, no or slow bias
# correction and a float head change nothing beyond chance; float second feed-forward layers halve it, and cost what
# int8 gains over bfloat16.

TokenIds = NDArray[np.int32]


def quantized(model: Any, texts: Sequence[TokenIds], *, progress: Callable[[], None] = lambda: None) -> Any:
    """The OpenVINO `model` with int8 products, calibrated on the token ids of `texts`, one by one and so unpadded.

    `progress` is called for each text that is run through the model; each is several times. Changes `model`. Raises
    ModelError.
    """
    nncf = _import_nncf()
    folding = Manager()
    folding.register_pass(ConstantFolding())  # weights stored in 8 bits are floats again
    folding.run_passes(model)
    optional = {port.get_any_name() for port in model.inputs} - {"input_ids", "attention_mask"}

    def as_input(ids: TokenIds) -> dict[str, NDArray[np.int64]]:
        progress()
        row = ids.astype(np.int64)[None]
        return {"input_ids": row, "attention_mask": np.ones_like(row)} | dict.fromkeys(optional, np.zeros_like(row))

    try:
        with _quiet():
            return nncf.quantize(
                model,
                nncf.Dataset(texts, as_input),
                subset_size=len(texts),
                model_type=nncf.ModelType.TRANSFORMER,
            )
    except Exception as error:  # what nncf does not know of, it raises anything for
        raise ExportError(f"cannot be quantized to int8: {type(error).__name__}") from error


def _import_nncf() -> Any:
    logging.getLogger("nncf").setLevel(logging.ERROR)  # before it is imported: it greets
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nncf
    except ImportError:
        raise ModelError("int8 needs nncf: pip install 'emostream[learning]'") from None
    nncf.set_log_level(logging.ERROR)
    return nncf


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """nncf draws its own bars on standard output, which may be somebody's data."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
