"""The composition root: settings in, a running worker out. The only module that knows every part.

Whatever can be wrong with the settings, the model or the policy is found before any connection is made; whatever the
brokers refuse is found before the first poll.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import structlog

from schemas.policy import InvalidPolicy, Policy, load_policy
from worker import __version__
from worker.batching import BatchPolicy
from worker.clock import Clock, Deadline, SystemClock
from worker.config import KafkaSettings, RegistrySettings, Settings
from worker.dead_letter_limit import DeadLetterLimit, DeadLetterPolicy
from worker.decision.decider import Decider
from worker.decision.domain import SurpriseTable, load_surprise
from worker.decision.drift import DriftWatch
from worker.decision.policy import reference, rule_for
from worker.errors import PolicyError
from worker.events import EventRenderer, Provenance
from worker.inference.engine import Engine, EngineOptions
from worker.inference.loading import load_engine
from worker.intake import Intake
from worker.kafka import startup
from worker.kafka.clients import Adapters, adapters
from worker.kafka.connection import Connection, Security
from worker.kafka.consumer import Assignor, ConsumerSettings, StartFrom
from worker.kafka.producer import Compression, ProducerSettings
from worker.kafka.slots import TransactionalIdSlot
from worker.lane import Lane
from worker.observability.health import Health
from worker.observability.metrics import Metrics
from worker.observability.stall import StallWatch
from worker.observability.tracing import tracing_of
from worker.observability.watch import Watch
from worker.pipeline import InForce, Pipeline, Routing
from worker.policy_file import PolicyFile, Reload
from worker.ports import Publisher
from worker.pump import Pump
from worker.records import Destination, Outgoing
from worker.registry.client import SchemaRegistry
from worker.registry.subjects import frames
from worker.stopping import Stop
from worker.tracing import Tracing

log = structlog.get_logger(__name__)

CLOSE_TIMEOUT_S = 6.0
LARGEST_POLL = 2_000
GARBAGE_THRESHOLD = 50_000
SWITCH_INTERVAL_S = 0.0005


def run(settings: Settings, *, stop: Stop, until_caught_up: bool) -> None:
    """Run a worker until `stop` is requested or (`until_caught_up`) everything there was at the start is done.

    Raises EmostreamError; until something is in hand, a stop ends it with SystemExit.
    """
    clock = SystemClock()
    with ExitStack() as parts:
        intake = _intake(settings)
        kafka = adapters(settings.kafka.client)
        health = Health(stall_timeout_s=settings.server.stall_timeout_s, clock=clock)
        metrics = Metrics(clock=clock)
        parts.enter_context(_served(settings, health=health, metrics=metrics))
        tracing = tracing_of(os.environ, group_id=settings.kafka.group_id, clock=clock)
        parts.callback(tracing.close)
        engine = load(settings)
        parts.callback(engine.close)
        policy, rule = decide_by(settings, engine)
        metrics.model(engine.info)
        slot = _slot(settings.kafka)
        limits = _check(settings, slot)
        before_events = _frames(settings)
        connection = connection_of(settings.kafka)
        source = kafka.source(connection, _consumer_settings(settings), commits=slot is None, clock=clock)
        parts.callback(source.close, timeout_s=CLOSE_TIMEOUT_S)
        publisher = _publisher(kafka, settings.kafka, connection, slot, max_message_bytes=limits.max_message_bytes)
        parts.callback(publisher.close, timeout_s=CLOSE_TIMEOUT_S)
        pump = Pump(
            source=source,
            pipeline=_pipeline(
                *(settings, intake, engine, rule, policy, publisher, clock),
                frames=before_events,
                reloaded=metrics.policy_reload,
                tracing=tracing,
            ),
            publisher=publisher,
            limit=DeadLetterLimit(DeadLetterPolicy(settings.dead_letter.max_ratio, settings.dead_letter.window)),
            batch=BatchPolicy(settings.batch.max_messages, settings.batch.max_tokens, settings.batch.max_delay_s),
            observer=Watch(metrics=metrics, health=health, clock=clock),
            clock=clock,
            lanes=lambda name, work: Lane(name, work, clock),
        )
        parts.callback(lambda: pump.stop_lanes(Deadline.after(CLOSE_TIMEOUT_S, clock)))
        stall = StallWatch(health)
        stall.start()
        parts.callback(stall.stop)
        until = source.end_offsets() if until_caught_up else None
        stop.drains_from_now()
        _log_start(settings, engine)
        _tune_interpreter()
        pump.run(stop=stop, drain_timeout_s=settings.shutdown.drain_timeout_s, until=until)


def _tune_interpreter() -> None:
    """What is loaded by now stays: no collection need look at it, and there is little else that is in cycles.

    Records are freed as they are let go; with the usual threshold a wave starts several collections, for nothing. A
    thread that comes back from the model asks for the interpreter, and would wait for a whole switch interval.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def _log_start(settings: Settings, engine: Engine) -> None:
    log.info(
        "worker.started",
        model=engine.info.name,
        revision=engine.info.revision,
        backend=engine.info.backend,
        precision=engine.info.precision,
        device=engine.info.device,
        topics=list(settings.kafka.input_topics),
        delivery=settings.kafka.delivery,
    )


def _intake(settings: Settings) -> Intake:
    return Intake(
        format=settings.input.format,
        pointer=settings.input.text,
        max_value_bytes=settings.input.max_value_bytes,
        framed=settings.schema_registry.input == "confluent",
    )


def registry_of(settings: RegistrySettings, url: str) -> SchemaRegistry:
    """The schema registry at `url`, with the section's credentials."""
    return SchemaRegistry(url, credentials=settings.credentials(), ca_file=settings.ca_file)


def _frames(settings: Settings) -> Mapping[Destination, bytes]:
    """What stands before events: nothing, or the ids that the registry has for this version's schemas."""
    registry = settings.schema_registry
    if registry.output == "plain" or registry.url is None:
        return {}
    return frames(registry_of(registry, registry.url), topics_of(settings.kafka))


def load(settings: Settings) -> Engine:
    """The model that the settings name, loaded and warm. Raises ModelError."""
    inference = settings.inference
    return load_engine(
        settings.model.name,
        revision=settings.model.revision,
        backend=settings.model.backend,
        device=settings.model.device,
        precision=settings.model.precision,
        options=EngineOptions(
            max_batch_tokens=None if inference.max_batch_tokens == "auto" else inference.max_batch_tokens,
            max_batch_size=inference.max_batch_size,
            workers=None if inference.workers == "auto" else inference.workers,
            cache_size=inference.cache_size,
        ),
    )


def decide_by(settings: Settings, engine: Engine) -> tuple[Policy | None, Decider]:
    """The policy (the named file's, else the model's own) and how it decides. Raises PolicyError."""
    policy = policy_of(settings.decision.policy, engine.policy_file)
    return policy, _rule(settings, engine, policy)


def _rule(settings: Settings, engine: Engine, policy: Policy | None) -> Decider:
    return rule_for(engine.info, policy, min_confidence=settings.decision.min_confidence, surprise=surprise_of(engine))


def policy_of(named: Path | None, own: Path | None) -> Policy | None:
    """The policy in the file that was named, else in the model's folder, if there is one."""
    path = named or own
    if path is None:
        return None
    try:
        return load_policy(path)
    except InvalidPolicy as error:
        raise PolicyError(str(error)) from error


def surprise_of(engine: Engine) -> SurpriseTable | None:
    """The model's table of token surprise, if it has one. Raises PolicyError."""
    return load_surprise(engine.surprise_file) if engine.surprise_file else None


def connection_of(kafka: KafkaSettings) -> Connection:
    """How the Kafka clients reach the brokers."""
    security = kafka.security
    password = security.read_password()
    return Connection(
        bootstrap_servers=tuple(address.strip() for address in kafka.bootstrap_servers.split(",")),
        security=Security(
            protocol=security.protocol,
            sasl_mechanism=security.sasl_mechanism,
            username=security.username,
            password=None if password is None else password.get_secret_value(),
            ca_file=security.ca_file,
            cert_file=security.cert_file,
            key_file=security.key_file,
        ),
        api_version=kafka.api_version_numbers,
    )


@contextmanager
def _served(settings: Settings, *, health: Health, metrics: Metrics) -> Iterator[None]:
    """/livez, /readyz and /metrics, if a port is set."""
    if settings.server.port is None:
        yield
        return
    from worker.observability.server import HealthServer

    server = HealthServer(
        host=settings.server.host, port=settings.server.port, health=health, registry=metrics.registry
    )
    server.start()
    try:
        yield
    finally:
        server.stop()


def _slot(kafka: KafkaSettings) -> TransactionalIdSlot | None:
    return TransactionalIdSlot(kafka.group_id) if kafka.delivery == "exactly-once" else None


def topics_of(kafka: KafkaSettings) -> dict[Destination, str]:
    """The outgoing topics by their role."""
    return {
        Destination.OUTPUT: kafka.output_topic,
        Destination.REVIEW: kafka.review_topic,
        Destination.DEAD_LETTER: kafka.dead_letter_topic,
    }


def _check(settings: Settings, slot: TransactionalIdSlot | None) -> startup.Limits:
    kafka = settings.kafka
    needs = startup.Needs(
        input_topics=kafka.input_topics,
        outgoing_topics=tuple(topics_of(kafka).values()),
        group_id=kafka.group_id,
        transactional_id=None if slot is None else slot.transactional_id,
        value_bytes=settings.input.max_value_bytes,
        create_topics=startup.NewTopics() if kafka.create_topics else None,
    )
    return startup.check(connection_of(kafka), needs, connect_timeout_s=kafka.connect_timeout_s)


def _consumer_settings(settings: Settings) -> ConsumerSettings:
    return ConsumerSettings(
        topics=settings.kafka.input_topics,
        group_id=settings.kafka.group_id,
        start_from=StartFrom(settings.kafka.start_from),
        assignor=Assignor(settings.kafka.partition_assignor),
        fetch_max_wait_s=settings.batch.max_delay_s,
        max_value_bytes=settings.input.max_value_bytes,
        max_poll_records=min(settings.batch.max_messages, LARGEST_POLL),
    )


def _publisher(
    client: Adapters,
    kafka: KafkaSettings,
    connection: Connection,
    slot: TransactionalIdSlot | None,
    *,
    max_message_bytes: int,
) -> Publisher:
    settings = ProducerSettings(topics_of(kafka), max_message_bytes, Compression(kafka.compression))
    return client.publisher(connection, settings, group_id=kafka.group_id, slot=slot)


def _pipeline(
    settings: Settings,
    intake: Intake,
    engine: Engine,
    rule: Decider,
    policy: Policy | None,
    publisher: Publisher,
    clock: Clock,
    *,
    frames: Mapping[Destination, bytes],
    reloaded: Callable[[Reload], None],
    tracing: Tracing,
) -> Pipeline:
    def fits(outgoing: Outgoing) -> bool:
        return publisher.fits(key=outgoing.key, value=outgoing.value, headers=outgoing.headers)

    def mean(changed: Policy) -> InForce:
        return _in_force(settings, engine, changed, _rule(settings, engine, changed), frames)

    file = None
    if policy is not None and settings.decision.policy is not None:
        file = PolicyFile(settings.decision.policy, policy, mean=mean, told=reloaded, clock=clock)
    first = _in_force(settings, engine, policy, rule, frames)
    return Pipeline(
        intake=intake,
        classifier=engine,
        rule=first.rule,
        renderer=first.renderer,
        fits=fits,
        routing=first.routing,
        clock=clock,
        watch=first.watch,
        changed=file.look if file else lambda: None,
        tracing=tracing,
    )


def _in_force(
    settings: Settings, engine: Engine, policy: Policy | None, rule: Decider, frames: Mapping[Destination, bytes]
) -> InForce:
    provenance = Provenance(engine.info, reference(policy, rule), settings.kafka.group_id, __version__)
    return InForce(
        rule=rule,
        renderer=EventRenderer(provenance, frames),
        routing=Routing(
            settings.decision.publish_abstained, settings.decision.audit_rate, (policy and policy.audit) or ()
        ),
        watch=DriftWatch(policy.drift) if policy and policy.drift else None,
    )
