"""Apache Beam's SortAndBatchElements in its in-memory runner: JSON of windows of lengths in, batches of lengths out."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.util import SortAndBatchElements


def batches(lengths: list[int], *, max_batch_size: int, max_batch_weight: int) -> list[list[int]]:
    """What Beam makes of one bundle."""
    options = PipelineOptions(["--runner=DirectRunner", "--direct_running_mode=in_memory", "--direct_num_workers=1"])
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(options=options) as pipeline:
            _ = (
                pipeline
                | beam.Create(lengths, reshuffle=False)
                | SortAndBatchElements(1, max_batch_size, max_batch_weight, element_size_fn=int)
                | beam.Map(json.dumps)
                | beam.io.WriteToText(f"{folder}/batches")
            )
        return [json.loads(line) for file in Path(folder).glob("batches*") for line in file.read_text().splitlines()]


def main(wanted: str, answer: str) -> None:
    """Files: `[{"windows": [[length, …], …], "max_batch_size": …, "max_batch_weight": …}, …]` to batches for each."""
    logging.getLogger().setLevel(logging.ERROR)
    found = []
    for case in json.loads(Path(wanted).read_text()):
        limits = {name: case[name] for name in ("max_batch_size", "max_batch_weight")}
        found.append([batch for window in case["windows"] for batch in batches(window, **limits)])
    Path(answer).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
