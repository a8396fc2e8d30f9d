"""What is measured beside emostream: one small program for each, run by its path in its own environment.

A program here imports nothing of this project. Those that go from Kafka to Kafka read JSON with a `text`, run the same
Hugging Face pipeline, write JSON with the scores, and end at SIGTERM; those without Kafka answer lines of JSON.
"""
