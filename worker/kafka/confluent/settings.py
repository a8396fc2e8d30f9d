"""How clients of ours are set up: what stands in `worker.kafka` for both adapters, in librdkafka's words.

Its property names: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
"""

from __future__ import annotations

from typing import Any

from worker.kafka.connection import Connection, Security
from worker.kafka.consumer import FETCH_BYTES, METADATA_MAX_AGE_MS, ConsumerSettings
from worker.kafka.producer import (
    BATCH_BYTES,
    DELIVERY_TIMEOUT_MS,
    REQUEST_TIMEOUT_MS,
    TRANSACTION_TIMEOUT_MS,
    ProducerSettings,
)

POLLS_KEPT_READY = 4
READY_KBYTES = 16_384
FETCH_AGAIN_MS = 10


def connection_settings(connection: Connection) -> dict[str, Any]:
    """Of every client: where, how, and how eagerly it reconnects."""
    return {
        "bootstrap.servers": ",".join(connection.bootstrap_servers),
        "client.id": connection.client_id,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "retry.backoff.ms": 100,
        "retry.backoff.max.ms": 1_000,
        "topic.metadata.refresh.interval.ms": METADATA_MAX_AGE_MS,
        "allow.auto.create.topics": False,
        # the worker tells nobody else how it is
        "enable.metrics.push": False,
        **security_settings(connection.security),
    }


def security_settings(security: Security) -> dict[str, Any]:
    """TLS and SASL. The files were read at start already (worker.kafka.startup), where mistakes are explained."""
    settings: dict[str, Any] = {"security.protocol": security.protocol}
    if security.sasl:
        settings |= {
            "sasl.mechanism": security.sasl_mechanism,
            "sasl.username": security.username,
            "sasl.password": security.password,
        }
    if security.tls:
        files = {
            "ssl.ca.location": security.ca_file,
            "ssl.certificate.location": security.cert_file,
            # a certificate's file may hold the key as well
            "ssl.key.location": security.key_file or security.cert_file,
        }
        settings |= {name: str(path) for name, path in files.items() if path is not None}
        settings["ssl.endpoint.identification.algorithm"] = "https"
    return settings


def consumer_settings(connection: Connection, settings: ConsumerSettings) -> dict[str, Any]:
    """Of a member of the group."""
    return {
        **connection_settings(connection),
        "group.id": settings.group_id,
        # no group.instance.id: a displaced static member must not come back
        "group.protocol": "classic",
        "partition.assignment.strategy": settings.assignor.value,
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 2_000,
        "max.poll.interval.ms": 30_000,
        "socket.timeout.ms": 15_000,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # an offset in an open transaction is waited for as well
        "isolation.level": "read_committed",
        # of offsets that the topic no longer has; where a new group starts is settled by us
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": round(settings.fetch_max_wait_s * 1000),
        "fetch.message.max.bytes": max(FETCH_BYTES, settings.max_value_bytes),
        "fetch.error.backoff.ms": 100,
        # what is read ahead: enough for some polls, and no more than so much memory
        "queued.min.messages": max(1, POLLS_KEPT_READY * settings.max_poll_records),
        "queued.max.messages.kbytes": max(READY_KBYTES, settings.max_value_bytes // 512),
        # its default keeps a full queue without supply for a second after it was drained
        "fetch.queue.backoff.ms": FETCH_AGAIN_MS,
    }


def reader_settings(connection: Connection) -> dict[str, Any]:
    """Of a consumer that belongs to no group, and looks at single partitions."""
    return {
        **connection_settings(connection),
        # the library wants a name; nothing is ever committed or asked under it
        "group.id": "emostream-reader",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 20,
    }


def producer_settings(
    connection: Connection, settings: ProducerSettings, *, transactional_id: str | None
) -> dict[str, Any]:
    """Of a producer whose outcomes are all accounted for."""
    transactions = {
        "transactional.id": transactional_id,
        "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
    }
    return {
        **connection_settings(connection),
        **(transactions if transactional_id is not None else {}),
        # else, when all connections are gone, requests under way are dropped, and whoever waits for their answer waits
        # for ever. A consumer needs it to find back; a failed producer is replaced by one that looks anew
        "metadata.recovery.strategy": "none",
        "acks": "all",
        "enable.idempotence": True,
        "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
        "socket.timeout.ms": REQUEST_TIMEOUT_MS,
        "request.timeout.ms": REQUEST_TIMEOUT_MS,
        "retry.backoff.ms": 20,
        "linger.ms": 5,
        # the same record has the same partition, whichever adapter wrote it
        "partitioner": "murmur2",
        # a batch larger than the topic accepts would fail as a whole; the limit counts before compression
        "batch.size": min(BATCH_BYTES, settings.max_message_bytes),
        "message.max.bytes": settings.max_message_bytes,
        "compression.type": settings.compression.value,
        # what was delivered needs no report: a transaction with a failed record cannot be committed
        "delivery.report.only.error": True,
    }
