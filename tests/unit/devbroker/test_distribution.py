"""Fetching Kafka once, with stand-ins for `java` and `mvn` that are small shell programs."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from worker.devbroker import distribution
from worker.devbroker.distribution import Distribution, cache_key, default_cache, java_version, maven_cause, prepare
from worker.devbroker.kinds import DevBrokerUnavailable, PrerequisiteMissing

JAVA_17 = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"
MVN = """
echo fetched >> "{count}"
for word in "$@"; do case "$word" in -DoutputDirectory=*) out="${{word#*=}}" ;; esac; done
mkdir -p "$out" && : > "$out/kafka.jar"
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with Java 17 and a Maven that counts its runs in `count`; the folder of its programs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program(programs / "java", JAVA_17)
    program(programs / "mvn", MVN.format(count=tmp_path / "count"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return programs


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def train(_distribution: Distribution, archive: Path) -> None:
    archive.write_text("classes")


def ignore(_line: str) -> None:
    pass


def test_a_second_run_fetches_nothing(machine: Path, tmp_path: Path) -> None:
    """Jars and class archive come from the cache once they are there."""
    first = prepare(report=ignore, train=train, cache=tmp_path / "cache")
    lines: list[str] = []

    second = prepare(report=lines.append, train=train, cache=tmp_path / "cache")

    assert first == second
    assert ["kafka.jar"] == [jar.name for jar in second.jars]
    assert "fetched\n" == (tmp_path / "count").read_text()
    assert [] == lines


def test_two_at_once_fetch_once(machine: Path, tmp_path: Path) -> None:
    """Whoever comes second waits for the first and uses what it fetched."""
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(prepare, report=ignore, train=train, cache=tmp_path / "cache") for _ in range(2)]

    assert runs[0].result() == runs[1].result()
    assert "fetched\n" == (tmp_path / "count").read_text()


def test_what_a_killed_fetch_left_is_never_used_and_goes(machine: Path, tmp_path: Path) -> None:
    """A half-filled folder is not mistaken for the distribution, and does not stay."""
    key = cache_key(distribution.POM.read_bytes())
    leftover = tmp_path / "cache" / f"{key}.part-abc"
    leftover.mkdir(parents=True)

    found = prepare(report=ignore, train=train, cache=tmp_path / "cache")

    assert tmp_path / "cache" / key / "libs" / "kafka.jar" == found.jars[0]
    assert not leftover.exists()


def test_a_java_that_makes_no_archive_is_used_without_one(machine: Path, tmp_path: Path) -> None:
    """The archive only makes starts faster: without it everything works, and it is not tried again."""
    tries: list[Path] = []

    def refuse(_distribution: Distribution, archive: Path) -> None:
        tries.append(archive)
        raise DevBrokerUnavailable("this JVM writes none")

    found = [prepare(report=ignore, train=refuse, cache=tmp_path / "cache") for _ in range(2)]

    assert [None, None] == [each.archive for each in found]
    assert 1 == len(tries)


def test_a_failed_fetch_says_mavens_reason_in_one_line(machine: Path, tmp_path: Path) -> None:
    """The first error of Maven is passed on, and nothing half-done stays in the cache."""
    program(machine / "mvn", "echo '[ERROR] Could not resolve kafka'; echo '[ERROR] more'; exit 1")

    with pytest.raises(PrerequisiteMissing, match=r"could not fetch Kafka 4\.1\.0 .*: Could not resolve kafka$"):
        prepare(report=ignore, train=train, cache=tmp_path / "cache")

    assert [] == [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_without_java_the_error_says_what_to_install(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No java on the path: one line with the way out."""
    monkeypatch.setenv("PATH", "")

    with pytest.raises(PrerequisiteMissing, match=r"^no java on the path: install a JDK 17 or newer"):
        prepare(report=ignore, train=train)


def test_a_java_home_without_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JAVA_HOME is believed over the path, and named when it is wrong."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    with pytest.raises(PrerequisiteMissing, match=f"no java under JAVA_HOME={tmp_path}"):
        distribution.find_java()


def test_a_java_too_old_is_named_with_its_version(machine: Path) -> None:
    """Kafka 4 does not start on Java 11; the message says so before it is tried."""
    program(machine / "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")

    with pytest.raises(PrerequisiteMissing, match=r"is Java 11\.0\.2, Kafka 4\.1\.0 needs 17"):
        distribution.find_java()


def test_without_maven_the_error_says_what_to_install(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No mvn on the path and nothing in the cache: one line with the way out."""
    (machine / "mvn").unlink()
    monkeypatch.setenv("PATH", str(machine))

    with pytest.raises(PrerequisiteMissing, match=r"no mvn on the path .* install Maven"):
        prepare(report=ignore, train=train, cache=tmp_path / "cache")


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME is honoured; without it the cache is under the home folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    chosen = default_cache()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    usual = default_cache()

    assert tmp_path / "emostream" == chosen
    assert tmp_path / "home" / ".cache" / "emostream" == usual


def test_the_cache_key_changes_with_the_pom() -> None:
    """Another set of jars never shares a folder with this one."""
    keys = {cache_key(b"<project/>"), cache_key(b"<project />"), cache_key(b"<project/>")}

    assert 2 == len(keys)
    assert all(key.startswith("kafka-4.1.0-") for key in keys)


def test_the_pom_pins_the_version_that_is_announced() -> None:
    """What the messages call Kafka's version is what the pom fetches."""
    pom = distribution.POM.read_text()

    assert f"<version>{distribution.KAFKA_VERSION}</version>" in pom


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('openjdk version "17.0.15" 2025-04-15', (17, "17.0.15")),
        ('openjdk version "25" 2025-09-16', (25, "25")),
        ('java version "1.8.0_412"', (8, "1.8.0_412")),
        ('openjdk version "24-ea" 2025-03-18', (24, "24-ea")),
        ("something else", (0, "unknown")),
    ],
)
def test_java_versions_are_read_as_java_prints_them(text: str, expected: tuple[int, str]) -> None:
    """Old and new version schemes, early access builds, and programs that are not Java."""
    assert expected == java_version(text)


def test_mavens_cause_is_its_first_error() -> None:
    """Empty error lines, warnings and the stack of hints that follows are left out."""
    output = "[WARNING] old\n[ERROR] \n[ERROR] No such artifact\n[ERROR] Re-run Maven with -e\n"

    assert ("No such artifact", "no reason given") == (maven_cause(output), maven_cause(""))


def test_the_command_line_runs_the_class_with_the_jars(machine: Path, tmp_path: Path) -> None:
    """Options come before the class path, arguments after the class; Java can read the line."""
    found = prepare(report=ignore, train=train, cache=tmp_path / "cache")

    command = found.command("kafka.Kafka", "server.properties", options=["-Da=b"])

    assert str(machine / "java") == command[0]
    assert ["-Da=b", "-cp", str(found.jars[0]), "kafka.Kafka", "server.properties"] == command[-5:]
    assert f"-XX:SharedArchiveFile={found.archive}" in command
    assert 0 == subprocess.run(command, check=False, capture_output=True).returncode
