from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.config.conftest import WriteFile
from worker.config import load
from worker.errors import ConfigError

SASL = "protocol: SASL_SSL, sasl_mechanism: PLAIN, username: me"


def problems(path: Path | None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kafka: {topic: x}", "kafka.topic: unknown key; did you mean kafka.input_topics?"),
        ("kafka: {bootstrap_server: x}", "kafka.bootstrap_server: unknown key; did you mean kafka.bootstrap_servers?"),
        ("max_delay_s: 1", "max_delay_s: unknown key; did you mean batch.max_delay_s?"),
        ("batch: {max_batch_size: 1}", "batch.max_batch_size: unknown key; did you mean inference.max_batch_size?"),
        ("kafak: {group_id: x}", "kafak: unknown key; did you mean kafka?"),
        ("zzzzzzzz: 1", "zzzzzzzz: unknown key; see emostream config schema"),
        ("kafka: {security: {user: x}}", "kafka.security.user: unknown key; did you mean kafka.security.username?"),
        (
            "kafka: {group_instance_id: worker-1}",
            "kafka.group_instance_id: static membership is refused: a member displaced by another with its id would "
            "read nothing and not notice; leave it out",
        ),
        ("kafka: localhost", "kafka: got text, expected a section with keys of its own"),
        ("batch: {max_messages: 0}", "batch.max_messages: got the number 0, expected a whole number from 1 to 100000"),
        (
            "batch: {max_messages: 1.5}",
            "batch.max_messages: got the number 1.5, expected a whole number from 1 to 100000",
        ),
        ("batch: {max_messages: many}", "batch.max_messages: got text, expected a whole number from 1 to 100000"),
        ("batch: {max_messages: true}", "batch.max_messages: got true, expected a whole number from 1 to 100000"),
        ("batch: {max_messages: null}", "batch.max_messages: got null, expected a whole number from 1 to 100000"),
        ("batch: {max_messages: [1]}", "batch.max_messages: got a list, expected a whole number from 1 to 100000"),
        ("batch: {max_delay_s: 0}", "batch.max_delay_s: got the number 0, expected a number from 0.001 to 10"),
        ("batch: {max_delay_s: .nan}", "batch.max_delay_s: got the number nan, expected a number from 0.001 to 10"),
        (
            "shutdown: {drain_timeout_s: -1}",
            "shutdown.drain_timeout_s: got the number -1, expected a number above 0 up to 3600",
        ),
        (
            "inference: {max_batch_tokens: lots}",
            "inference.max_batch_tokens: got text, expected auto or a whole number from 16 to 4194304",
        ),
        (
            "kafka: {delivery: exactly_once}",
            "kafka.delivery: got text (did you mean exactly-once?), expected exactly-once or at-least-once",
        ),
        ("schema_registry: {output: confluent}", "schema_registry.url: needed with output: confluent"),
        (
            "schema_registry: {url: 'https://me:hunter2@registry'}",
            "schema_registry.url: got text, expected http://… or https://… without a password in it, or null",
        ),
        ("schema_registry: {username: me}", "schema_registry.password_file: needed together with username"),
        ("schema_registry: {ca_file: /missing}", "schema_registry.ca_file: /missing: No such file or directory"),
        ("kafka: {create_topics: 7}", "kafka.create_topics: got the number 7, expected true or false"),
        ("kafka: {group_id: 7}", "kafka.group_id: got the number 7, expected non-empty text"),
        ("kafka: {input_topics: []}", "kafka.input_topics: got a list, expected one or more different topic names"),
        ("kafka: {input_topics: [a b]}", "kafka.input_topics: got text, expected one or more different topic names"),
        (
            "kafka: {bootstrap_servers: localhost}",
            "kafka.bootstrap_servers: got text, expected host:port, several between commas",
        ),
        ("model: {device: gpu}", "model.device: got text, expected auto, cpu, cuda or cuda:N"),
        ("input: {text: text}", "input.text: got text, expected a JSON pointer (RFC 6901), e.g. /comment/body"),
        ("decision: {audit_rate: 2}", "decision.audit_rate: got the number 2, expected a number from 0 to 1"),
        ("server: {port: 70000}", "server.port: got the number 70000, expected a whole number from 1 to 65535 or null"),
        (
            "logging: {level: loud}",
            "logging.level: got text, expected debug, info, warning or error",
        ),
        ("kafka: {client: librdkafka}", "kafka.client: got text, expected kafka-python or confluent-kafka"),
        ("kafka: {input_topics: [a, a]}", "kafka.input_topics: the same topic is there twice"),
        (
            "kafka: {input_topics: [a], review_topic: a}",
            "kafka.review_topic: a is also in kafka.input_topics; the worker would read what it writes",
        ),
        (
            "kafka: {output_topic: a, dead_letter_topic: a}",
            "kafka.dead_letter_topic: a is also kafka.output_topic; each outgoing topic needs a name of its own",
        ),
        (
            "kafka: {security: {username: me}}",
            "kafka.security.username: only for protocol SASL_SSL or SASL_PLAINTEXT, not PLAINTEXT",
        ),
        (
            "kafka: {security: {ca_file: ca.pem}}",
            "kafka.security.ca_file: only for protocol SSL or SASL_SSL, not PLAINTEXT",
        ),
        (
            f"kafka: {{security: {{{SASL}}}}}",
            "kafka.security.password_file: needed with protocol SASL_SSL (or EMOSTREAM_KAFKA__SECURITY__PASSWORD)",
        ),
        (
            "kafka: {security: {protocol: SASL_SSL, username: me, password_file: /dev/zero/x}}",
            "kafka.security.sasl_mechanism: needed with protocol SASL_SSL",
        ),
        (
            "kafka: {security: {protocol: SSL, ca_file: no/such/ca.pem}}",
            "kafka.security.ca_file: no/such/ca.pem: No such file or directory",
        ),
        ("decision: {policy: no/such.json}", "decision.policy: no/such.json: No such file or directory"),
        (
            "kafka: {security: {password: hunter2}}",
            "kafka.security.password: not accepted in the file; set password_file, "
            "or EMOSTREAM_KAFKA__SECURITY__PASSWORD",
        ),
    ],
)
def test_a_bad_key_is_one_line(config_file: WriteFile, text: str, expected: str) -> None:
    """The line names the key, what was given and what is expected, or the nearest known key."""
    assert expected == problems(config_file(text))[0]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "EMOSTREAM_KAFKA__TOPIC",
            "x",
            "EMOSTREAM_KAFKA__TOPIC: unknown variable; did you mean EMOSTREAM_KAFKA__INPUT_TOPICS?",
        ),
        (
            "EMOSTREAM_KAFKA_GROUP_ID",
            "x",
            "EMOSTREAM_KAFKA_GROUP_ID: unknown variable; did you mean EMOSTREAM_KAFKA__GROUP_ID?",
        ),
        ("EMOSTREAM_KAFKA", "{x", "EMOSTREAM_KAFKA: unknown variable; did you mean EMOSTREAM_KAFKA__CLIENT?"),
        (
            "EMOSTREAM_SERVER__PORT",
            "x",
            "EMOSTREAM_SERVER__PORT: got text, expected a whole number from 1 to 65535 or null",
        ),
        (
            "EMOSTREAM_KAFKA__INPUT_TOPICS",
            "[a",
            "EMOSTREAM_KAFKA__INPUT_TOPICS: got text, expected one or more different topic names",
        ),
    ],
)
def test_a_bad_variable_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str) -> None:
    """A problem of the environment is named by its variable."""
    monkeypatch.setenv(name, value)

    assert problems(None) == [expected]


def test_all_problems_are_told_at_once(config_file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody should have to start three times to find three mistakes."""
    monkeypatch.setenv("EMOSTREAM_LOGGING__FORMAT", "xml")
    path = config_file("kafka: {topic: x, delivery: maybe}\nbatch: {max_tokens: 0}\n")

    assert [line.partition(":")[0] for line in problems(path)] == [
        "kafka.topic",
        "kafka.delivery",
        "batch.max_tokens",
        "EMOSTREAM_LOGGING__FORMAT",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kafka:\n  group_id: a: b\n", r"line 2: not valid YAML: mapping values are not allowed here"),
        ("kafka:\n\tgroup_id: a\n", r"line 2: not valid YAML: found character '\\t' that cannot start any token"),
        ("kafka:\n  group_id: a\n  group_id: b\n", r"line 3: not valid YAML: the key group_id is there twice"),
        ("kafka:\n  group_id: \x07\n", r"line 2: not valid YAML: special characters are not allowed"),
        (
            "a: !!python/object:os.system x\n",
            r"line 1: not valid YAML: could not determine a constructor for the tag .*",
        ),
        ("kafka: {group_id: 2026-13-45}", r"not valid YAML: it holds a date or number that does not exist"),
        ("[" * 5000, r"not valid YAML: nested too deeply"),
        ("- kafka\n", r"expected sections with keys, as in `kafka:`, at the top"),
    ],
)
def test_a_file_that_is_not_yaml_is_one_line_with_its_place(config_file: WriteFile, text: str, expected: str) -> None:
    """Syntax errors, keys given twice and the wrong kind of document."""
    path = config_file(text)

    [line] = problems(path)

    assert re.fullmatch(f"{re.escape(str(path))}: {expected}", line)


def test_a_file_that_is_not_utf8_is_one_line(tmp_path: Path) -> None:
    """Another encoding is named as such."""
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"model: {name: \xe9}")

    assert problems(path) == [f"{path}: not UTF-8 (byte 14)"]


@pytest.mark.parametrize(
    "text",
    [
        "kafka: {security: {password: hunter2}}",
        "kafka: {security: {passwrd: hunter2}}",
        f"kafka: {{security: {{{SASL}, password_file: hunter2}}}}",
        "kafka: {security: {protocol: hunter2}}",
        "kafka: {security: {username: [hunter2]}}",
        "kafka: {delivery: hunter2}",
        "kafka: {security: hunter2}",
        "kafka: {bootstrap_servers: 'me:hunter2@broker'}",
        "schema_registry: {username: [hunter2]}",
        "schema_registry: {url: 'http://r', username: u, password_file: hunter2}",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(config_file: WriteFile, text: str) -> None:
    """Errors end up in logs that more people read than the secret is for."""
    assert "hunter2" not in "".join(problems(config_file(text)))


@pytest.mark.parametrize(
    "section", ["kafka: {security: {password_file: 4711}}", "schema_registry: {password_file: 4711}"]
)
def test_a_password_of_digits_in_the_wrong_place_is_not_repeated(config_file: WriteFile, section: str) -> None:
    """Other keys' numbers are."""
    (said,) = problems(config_file(section))

    assert said.endswith("password_file: got a number, expected a readable file or null")


@pytest.mark.parametrize("port", [0, 65_536, 99_999])
def test_a_port_that_is_none_is_refused(config_file: WriteFile, port: int) -> None:
    """Also behind brokers whose ports are right."""
    found = problems(config_file(f"kafka: {{bootstrap_servers: 'one:9092, two:{port}'}}"))

    assert found == ["kafka.bootstrap_servers: a port is a number from 1 to 65535"]


def test_the_highest_port_is_one(config_file: WriteFile) -> None:
    """The range has both its ends."""
    loaded = load(config_file("kafka: {bootstrap_servers: 'one:1,two:65535'}"))

    assert loaded.kafka.bootstrap_servers == "one:1,two:65535"


def test_a_wrong_password_variable_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the variable is refused as a whole."""
    monkeypatch.setenv("EMOSTREAM_KAFKA__SECURITY__PASSWORD", "hunter2")

    assert problems(None) == ["kafka.security.password: only for protocol SASL_SSL or SASL_PLAINTEXT, not PLAINTEXT"]


@pytest.mark.parametrize(
    ("content", "why"), [(b"\n", "the file is empty"), (b"\xff\xfe", "the file is not UTF-8"), (None, "Is a directory")]
)
def test_a_password_file_without_a_password_is_refused(
    tmp_path: Path, config_file: WriteFile, content: bytes | None, why: str
) -> None:
    """A secret that was mounted but never filled would otherwise be a refused login much later."""
    secret = tmp_path / "password"
    secret.mkdir() if content is None else secret.write_bytes(content)

    found = problems(config_file(f"kafka: {{security: {{{SASL}, password_file: {secret}}}}}"))

    assert found == [f"kafka.security.password_file: {why}"]


def test_two_passwords_are_one_too_many(
    tmp_path: Path, config_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which of them counts is not left to guessing."""
    secret = tmp_path / "password"
    secret.write_text("a", encoding="utf-8")
    monkeypatch.setenv("EMOSTREAM_KAFKA__SECURITY__PASSWORD", "b")

    found = problems(config_file(f"kafka: {{security: {{{SASL}, password_file: {secret}}}}}"))

    assert found == ["kafka.security.password_file: EMOSTREAM_KAFKA__SECURITY__PASSWORD is set too; give one of them"]


@pytest.mark.parametrize(("given", "missing"), [("cert_file", "key_file"), ("key_file", "cert_file")])
def test_certificate_and_key_belong_together(tmp_path: Path, config_file: WriteFile, given: str, missing: str) -> None:
    """One of them alone cannot log in."""
    pem = tmp_path / "client.pem"
    pem.touch()

    found = problems(config_file(f"kafka: {{security: {{protocol: SSL, {given}: {pem}}}}}"))

    assert found == [f"kafka.security.{missing}: needed together with {given}"]
