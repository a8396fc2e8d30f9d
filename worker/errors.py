"""Every error the worker raises; the type decides the fate.

    EmostreamError
      UsageError                                exit 2, said in one line before any connection is made
        ConfigError, PolicyError, ModelError, DataError
          ExportError (a ModelError)            torch can still run the model
      RecordError(stage, reason)                a dead letter; never retried
      InferenceError
        EngineOverloaded                        out of memory: shrink the micro-batch and retry
        EngineFailed                            this micro-batch fails: bisect until the poison text stands alone
        EngineLost                              the backend is gone: exit 1
      BrokerError                               translated once, at the edge of worker.kafka, chained with `from`
        BrokerUnavailable                       not reachable (yet): retried at start
        BrokerRefused                           credentials, TLS, ACL, missing topic: exit 1, one line
        PublishFailed                           the wave is surely not committed: rewind and redo
        OutcomeUnknown                          the commit may have happened: read the committed offsets, seek there
        Fenced                                  another member owns the work: drop, rejoin
      RegistryError                             the schema registry did not answer, or refused: exit 1, one line
      DeadLetterLimitExceeded                   exit 3
      DrainTimeout                              exit 1, nothing committed that was not published
      ThreadDied                                a side thread ended: exit 1

Messages name files, keys and topics, never message text or secrets.
"""

from __future__ import annotations

from schemas.dead_reasons import DeadReason as DeadReason
from schemas.dead_reasons import Stage as Stage

LONGEST_LINE = 1_000


class EmostreamError(Exception):
    """Root of everything raised on purpose; `str()` is one line for the user (for several problems, one for each)."""

    exit_code = 1

    def __str__(self) -> str:
        """Messages may quote names that came from outside: nothing in them reaches a terminal but what can be read."""
        lines = super().__str__().split("\n")
        return "\n".join(printable(line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + " …") for line in lines)


def printable(text: str) -> str:
    """Without what moves a cursor, changes colours, hides text or cannot be encoded."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in text)


class UsageError(EmostreamError):
    """Bad usage, configuration, model or policy: the user can mend it before anything runs."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration cannot be used."""


class PolicyError(UsageError):
    """The policy file is bad or does not belong to this model or engine."""


class ModelError(UsageError):
    """The model cannot be loaded."""


class ExportError(ModelError):
    """This architecture cannot be exported; torch can still run it."""


class DataError(UsageError):
    """An input file of a command cannot be read as what it should hold."""


class RecordError(EmostreamError):
    """This record cannot have an event; it becomes a dead letter. `detail` says why without quoting the text."""

    def __init__(self, stage: Stage, reason: DeadReason, detail: str) -> None:
        super().__init__(detail)
        self.stage = stage
        self.reason = reason
        self.detail = detail


class InferenceError(EmostreamError):
    """The backend did not answer with finite scores."""


class EngineOverloaded(InferenceError):
    """Out of memory: a smaller micro-batch may work."""


class EngineFailed(InferenceError):
    """This micro-batch failed; others may work."""


class EngineLost(InferenceError):
    """The backend cannot run anything any more."""


class BrokerError(EmostreamError):
    """Something between us and the brokers; the client's own exception is its `__cause__`."""


class BrokerUnavailable(BrokerError):
    """No broker answered; worth trying again."""


class BrokerRefused(BrokerError):
    """The broker answered no (credentials, TLS, ACL, missing topic): trying again does not help."""


class PublishFailed(BrokerError):
    """Nothing of the wave was committed."""


class OutcomeUnknown(BrokerError):
    """The commit may or may not have happened; only the committed offsets can tell."""


class Fenced(BrokerError):
    """Another member or producer owns the work; nothing of the wave was committed."""


class RegistryError(EmostreamError):
    """The schema registry did not answer, or answered no."""


class DeadLetterLimitExceeded(EmostreamError):
    """So many records are bad that the fault is not theirs."""

    exit_code = 3


class DrainTimeout(EmostreamError):
    """The drain did not finish in its budget."""


class ThreadDied(EmostreamError):
    """A thread that must live as long as the process ended."""
