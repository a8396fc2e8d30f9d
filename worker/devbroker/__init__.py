"""Brokers for development, demos and tests: a container, a JVM, a mock in this process, or one that runs already."""

from worker.devbroker.choice import start
from worker.devbroker.kinds import DevBroker, DevBrokerUnavailable, Report

__all__ = ["DevBroker", "DevBrokerUnavailable", "Report", "start"]
