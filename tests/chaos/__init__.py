"""Real workers on a real broker, hurt on purpose: kill -9, stopped processes, lost brokers, a bad network.

`python -m tests.chaos --seconds 300 --seed 1` runs it longer than the tests do and prints a table.
"""
