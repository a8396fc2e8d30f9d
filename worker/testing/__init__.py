"""Fakes that behave like the real parts, for tests of the core and of what users build on it.

They are held to the same contract suites as the real adapters (tests/contract): `FakeSource` and `FakePublisher` over
a `FakeBroker` that keeps logs, groups, generations and transactions in memory; `StubClassifier` and `StubBackend`,
whose answers depend on nothing but the text; `FakeClock`; and `InlineLane`, which works in the caller's thread, so
that a test drives the pump one turn at a time.
"""

from worker.testing.kafka import FakeBroker, FakePublisher, FakeSource, Fault
from worker.testing.models import StubBackend, StubClassifier
from worker.testing.running import FakeClock, InlineLane

__all__ = [
    "FakeBroker",
    "FakeClock",
    "FakePublisher",
    "FakeSource",
    "Fault",
    "InlineLane",
    "StubBackend",
    "StubClassifier",
]
