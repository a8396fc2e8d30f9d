"""Looking at dead letters and sending them back to where they came from. What a dead letter is, `schemas` says."""
