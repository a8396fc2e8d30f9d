"""The second adapter: the same ports over confluent-kafka (librdkafka). Imported only where it was chosen."""
