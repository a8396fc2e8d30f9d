"""`python -m worker.config` prints docs/configuration.md."""

import sys

from worker.config.reference import page

sys.stdout.write(page())
