"""The emostream worker: texts from Kafka, classified in waves, published exactly once."""

__version__ = "0.1.0"
