"""Schemas in a Confluent-compatible registry, and its wire format. Knows nothing of Kafka clients or of settings."""
