"""How many partitions and workers, and when to scale: arithmetic, and a simulation of a day. Pure; knows no Kafka."""
