"""How fast a model runs on this machine, and which settings follow from it; no Kafka, nothing of a model library."""
