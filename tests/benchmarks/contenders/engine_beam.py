"""Apache Beam's RunInference with its Hugging Face pipeline handler, batches of 32, on its in-memory runner.

The handler's module imports tensorflow and a class that transformers 5 has no more; it needs neither for this, so empty
stand-ins are put there. The model is loaded before it counts and handed to every pipeline.
"""

from __future__ import annotations

import logging
import sys
import time
from importlib.machinery import ModuleSpec
from types import ModuleType

from transformers import Pipeline  # before the stand-in: makes the module anew when it comes
from transformers import logging as transformers_logging
from turns import take_turns

stand_in = sys.modules["tensorflow"] = ModuleType("tensorflow")
stand_in.__spec__ = ModuleSpec("tensorflow", None)
stand_in.Tensor = object  # type: ignore[attr-defined]
sys.modules["transformers"].TFAutoModel = object  # type: ignore[attr-defined]

import apache_beam as beam  # noqa: E402
from apache_beam.ml.inference.base import RunInference  # noqa: E402
from apache_beam.ml.inference.huggingface_inference import HuggingFacePipelineModelHandler  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402

del sys.modules["tensorflow"]  # nobody else is to think that it is there


class Preloaded(HuggingFacePipelineModelHandler):
    """Loads the model once for all pipelines of this process.

    Kept by the class above, of which Beam pickles the name only: of this one it would pickle the model with every
    pipeline.
    """

    def load_model(self) -> Pipeline:
        if not hasattr(HuggingFacePipelineModelHandler, "preloaded"):
            HuggingFacePipelineModelHandler.preloaded = super().load_model()
        return HuggingFacePipelineModelHandler.preloaded


def main(checkpoint: str) -> None:
    logging.getLogger().setLevel(logging.ERROR)
    transformers_logging.set_verbosity_error()
    handler = Preloaded(
        task="text-classification",
        model=checkpoint,
        device="CPU",
        load_pipeline_args={"top_k": None, "batch_size": 32},
        min_batch_size=32,
        max_batch_size=32,
    )

    def classify(texts: list[str]) -> tuple[float, float]:
        began, cpu_began = time.perf_counter(), time.process_time()
        options = PipelineOptions(["--runner=FnApiRunner", "--direct_running_mode=in_memory"])
        with beam.Pipeline(options=options) as pipeline:
            _ = pipeline | beam.Create(texts, reshuffle=False) | RunInference(handler) | beam.Map(lambda _: None)

        return time.perf_counter() - began, time.process_time() - cpu_began

    classify(["a few words before it counts"] * 32)

    def work(texts: list[str]) -> dict[str, float]:
        """Less what a pipeline over one text takes: putting it up is no part of a stream's cost."""
        up_s, up_cpu_s = classify(texts[:1])
        seconds, cpu_s = classify(texts)
        return {"seconds": seconds - up_s, "cpu_s": cpu_s - up_cpu_s, "put_up_s": up_s}

    take_turns(work)


if __name__ == "__main__":
    main(*sys.argv[1:])
