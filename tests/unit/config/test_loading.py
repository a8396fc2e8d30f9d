from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.unit.config.conftest import WriteFile
from worker.config import Settings, Source, load, load_with_sources
from worker.config.keys import catalogue, lookup
from worker.errors import ConfigError

CONTRACT = """
model:
  name: builtin:emotion
  revision: null
  backend: auto
  device: auto
  precision: auto
inference:
  max_batch_tokens: auto
  max_batch_size: 256
  workers: auto
  cache_size: 10000
kafka:
  bootstrap_servers: localhost:9092
  client: kafka-python
  group_id: emostream
  input_topics: [texts]
  output_topic: texts.enriched
  review_topic: texts.review
  dead_letter_topic: texts.dead-letter
  delivery: exactly-once
  start_from: earliest
  create_topics: false
  connect_timeout_s: 60
  security: {protocol: PLAINTEXT}
input:
  format: json
  text: /text
  max_value_bytes: 262144
batch:
  max_messages: 512
  max_tokens: 32768
  max_delay_s: 0.02
decision:
  policy: null
  min_confidence: 0.5
  publish_abstained: false
  audit_rate: 0.0
dead_letter:
  max_ratio: 0.5
  window: 1000
server:
  host: 0.0.0.0
  port: 9100
shutdown:
  drain_timeout_s: 25
logging:
  level: info
  format: auto
"""


def test_the_defaults_are_the_contract(config_file: WriteFile) -> None:
    """A file with every documented key at its documented value changes nothing."""
    spelled_out = load(config_file(CONTRACT))

    assert load() == spelled_out


def test_an_empty_file_and_empty_sections_are_the_defaults(config_file: WriteFile) -> None:
    """`kafka:` with nothing below it is not an error."""
    assert load(config_file("")) == Settings()
    assert load(config_file("kafka:\nmodel:\n")) == Settings()


def test_settings_are_frozen() -> None:
    """Nothing can be changed after loading, at any depth."""
    settings = load()

    with pytest.raises(ValidationError):
        settings.batch = settings.batch  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.kafka.security.username = "someone"  # type: ignore[misc]


def test_settings_made_by_hand_read_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `load` reads the environment."""
    monkeypatch.setenv("EMOSTREAM_KAFKA__GROUP_ID", "from-outside")

    assert Settings().kafka.group_id == "emostream"


@pytest.mark.parametrize(
    ("path", "variable", "value", "expected"),
    [
        ("kafka.group_id", "EMOSTREAM_KAFKA__GROUP_ID", "other", "other"),
        ("kafka.group_id", "EMOSTREAM_KAFKA__GROUP_ID", "42", "42"),
        ("kafka.input_topics", "EMOSTREAM_KAFKA__INPUT_TOPICS", "a", ("a",)),
        ("kafka.input_topics", "EMOSTREAM_KAFKA__INPUT_TOPICS", "a, b", ("a", "b")),
        ("kafka.input_topics", "EMOSTREAM_KAFKA__INPUT_TOPICS", '["a", "b"]', ("a", "b")),
        ("kafka.create_topics", "EMOSTREAM_KAFKA__CREATE_TOPICS", "true", True),
        ("kafka.connect_timeout_s", "EMOSTREAM_KAFKA__CONNECT_TIMEOUT_S", "0", 0.0),
        ("inference.workers", "EMOSTREAM_INFERENCE__WORKERS", "3", 3),
        ("inference.workers", "EMOSTREAM_INFERENCE__WORKERS", "auto", "auto"),
        ("server.port", "EMOSTREAM_SERVER__PORT", "null", None),
        ("server.port", "EMOSTREAM_SERVER__PORT", "", 9100),
        ("batch.max_delay_s", "EMOSTREAM_BATCH__MAX_DELAY_S", "0.5", 0.5),
    ],
)
def test_a_variable_sets_its_key(
    monkeypatch: pytest.MonkeyPatch, path: str, variable: str, value: str, expected: object
) -> None:
    """Numbers, switches, lists and null can all be given by the environment."""
    monkeypatch.setenv(variable, value)

    assert lookup(load(), path) == expected


def test_the_environment_wins_over_the_file_key_by_key(monkeypatch: pytest.MonkeyPatch, config_file: WriteFile) -> None:
    """A variable replaces one key and leaves its neighbours, also in the nested section."""
    path = config_file("kafka: {group_id: filed, output_topic: out, security: {protocol: SSL}}")
    monkeypatch.setenv("EMOSTREAM_KAFKA__GROUP_ID", "exported")

    loaded = load_with_sources(path)

    assert loaded.settings.kafka.group_id == "exported"
    assert loaded.settings.kafka.output_topic == "out"
    assert loaded.settings.kafka.security.protocol == "SSL"
    assert loaded.sources["kafka.group_id"] is Source.ENVIRONMENT
    assert loaded.sources["kafka.output_topic"] is Source.FILE
    assert loaded.sources["kafka.security.protocol"] is Source.FILE
    assert loaded.sources["kafka.security.username"] is Source.DEFAULT


def test_every_key_has_an_origin() -> None:
    """No key is left out of the answer to `where does this come from`."""
    assert load_with_sources().sources == dict.fromkeys(catalogue(), Source.DEFAULT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMOSTREAM_PORT", "tcp://10.0.0.7:9100"),
        ("EMOSTREAM_SERVICE_HOST", "10.0.0.7"),
        ("EMOSTREAM_SERVICE_PORT_METRICS", "9100"),
        ("EMOSTREAM_METRICS_PORT_9100_TCP_ADDR", "10.0.0.7"),
    ],
)
def test_variables_of_a_kubernetes_service_are_not_settings(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A Service called emostream puts such variables into every pod of its namespace."""
    monkeypatch.setenv(name, value)

    assert load() == Settings()


def test_the_password_is_read_from_its_file(tmp_path: Path, config_file: WriteFile) -> None:
    """The line end of a mounted secret is not part of the password."""
    secret = tmp_path / "password"
    secret.write_text("hunter2\n", encoding="utf-8")
    security = f"{{protocol: SASL_SSL, sasl_mechanism: PLAIN, username: me, password_file: {secret}}}"

    loaded = load(config_file(f"kafka: {{security: {security}}}")).kafka.security.read_password()

    assert loaded is not None
    assert loaded.get_secret_value() == "hunter2"


def test_the_password_of_the_environment_is_used_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """repr, str and JSON of the settings hide it."""
    for name, value in {
        "PROTOCOL": "SASL_SSL",
        "SASL_MECHANISM": "SCRAM-SHA-512",
        "USERNAME": "me",
        "PASSWORD": "hunter2",
    }.items():
        monkeypatch.setenv(f"EMOSTREAM_KAFKA__SECURITY__{name}", value)

    settings = load()

    password = settings.kafka.security.read_password()
    assert password is not None
    assert password.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_no_password_is_no_password() -> None:
    """Without SASL there is none to read."""
    assert load().kafka.security.read_password() is None


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """The path and the reason, not a traceback."""
    missing = tmp_path / "missing.yaml"

    with pytest.raises(ConfigError) as caught:
        load(missing)

    assert str(caught.value) == f"{missing}: cannot be read: No such file or directory"
