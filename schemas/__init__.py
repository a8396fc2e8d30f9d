"""What crosses a topic: the enriched and review events, dead-letter headers and the policy file."""
