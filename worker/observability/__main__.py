"""`python -m worker.observability` prints docs/metrics.md."""

import sys

from worker.observability.reference import page

sys.stdout.write(page())
