"""`python -m worker` is `emostream`."""

from worker.cli import app

app(prog_name="emostream")
