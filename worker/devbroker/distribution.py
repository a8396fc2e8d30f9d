"""Apache Kafka's jars, fetched once per user by Maven, and the Java that runs them.

Owns the cache folder and the class-data archive that halves a JVM's start; knows nothing of clusters.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from worker.devbroker.kinds import DevBrokerUnavailable, PrerequisiteMissing, Report

KAFKA_VERSION = "4.1.0"
OLDEST_JAVA = 17
MAVEN_TIMEOUT_S = 600
POM = Path(__file__).with_name("pom.xml")

NEEDS_JAVA = f"install a JDK {OLDEST_JAVA} or newer (Debian: apt install openjdk-17-jdk-headless) or set JAVA_HOME"
NEEDS_MAVEN = "install Maven (Debian: apt install maven)"

JVM_OPTIONS = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    # otherwise a killed JVM leaves a file behind in the machine's temporary folder
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
)


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime; `version` is its full version, which a class-data archive is bound to."""

    path: str
    version: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """Jars ready to run. `archive` is None where this Java made none: slower, not wrong."""

    java: Java
    jars: Sequence[Path]
    archive: Path | None

    def command(self, main: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
        """The command line that runs the class `main`."""
        shared = [f"-XX:SharedArchiveFile={self.archive}", "-Xlog:disable"] if self.archive is not None else []
        classpath = os.pathsep.join(str(jar) for jar in self.jars)
        return [self.java.path, *JVM_OPTIONS, *shared, *options, "-cp", classpath, main, *arguments]


Train = Callable[[Distribution, Path], None]
"""Runs a broker once so that the JVM writes its class-data archive to the path."""


def prepare(*, report: Report, train: Train, pom: Path = POM, cache: Path | None = None) -> Distribution:
    """The distribution of `pom`, from the cache or fetched into it; processes that ask at once wait for one another.

    Raises PrerequisiteMissing, in one line, without Java or when Maven is missing or fails.
    """
    java = find_java()
    folder = (cache or default_cache()) / cache_key(pom.read_bytes())
    with _locked(folder.parent / f"{folder.name}.lock", report=report):
        if not folder.exists():
            _fetch(pom, folder, report=report)
        jars = sorted((folder / "libs").glob("*.jar"))
        archive = _archive(Distribution(java, jars, None), folder, report=report, train=train)
    return Distribution(java, jars, archive)


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/emostream`, else `~/.cache/emostream`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "emostream"


def cache_key(pom: bytes) -> str:
    return f"kafka-{KAFKA_VERSION}-{hashlib.sha256(pom).hexdigest()[:12]}"


def find_java() -> Java:
    """Java of `JAVA_HOME`, else of the path; raises PrerequisiteMissing when it is missing or too old."""
    home = os.environ.get("JAVA_HOME")
    path = shutil.which(str(Path(home) / "bin" / "java") if home else "java")
    if path is None:
        where = f"under JAVA_HOME={home}" if home else "on the path"
        raise PrerequisiteMissing(f"no java {where}: {NEEDS_JAVA}")
    answer = subprocess.run([path, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - found above
    major, version = java_version(answer.stderr)
    if major < OLDEST_JAVA:
        raise PrerequisiteMissing(f"{path} is Java {version}, Kafka {KAFKA_VERSION} needs {OLDEST_JAVA}: {NEEDS_JAVA}")
    return Java(path, version)


def java_version(text: str) -> tuple[int, str]:
    """Major and full version out of `java -version`; (0, "unknown") when it says something else."""
    match = re.search(r'version "((?:1\.)?(\d+)[^"]*)"', text)
    return (int(match[2]), match[1]) if match else (0, "unknown")


def maven_cause(output: str) -> str:
    """The first error in Maven's output, without its marker, as one line."""
    errors = (line.removeprefix("[ERROR]").strip() for line in output.splitlines() if line.startswith("[ERROR]"))
    return next((line for line in errors if line), "no reason given")


def _fetch(pom: Path, folder: Path, *, report: Report) -> None:
    mvn = shutil.which("mvn")
    if mvn is None:
        raise PrerequisiteMissing(f"no mvn on the path to fetch Kafka {KAFKA_VERSION} with: {NEEDS_MAVEN}")
    report(f"fetching Apache Kafka {KAFKA_VERSION} with Maven, once, into {folder}")
    # whoever was killed half way held the lock that we hold now: its leftovers are ours to remove
    for leftover in folder.parent.glob(f"{folder.name}.part-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        prefix=f"{folder.name}.part-", dir=folder.parent, ignore_cleanup_errors=True
    ) as at:
        part = Path(at) / "kafka"
        part.mkdir()
        shutil.copy(pom, part / "pom.xml")
        _copy_dependencies(mvn, part)
        part.rename(folder)


def _copy_dependencies(mvn: str, part: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={part / 'libs'}"]
    command = [mvn, "--batch-mode", "--quiet", "--file", str(part / "pom.xml"), "-Dstyle.color=never", *goal]
    try:
        done = subprocess.run(  # noqa: S603 - mvn was found on the path
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=MAVEN_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise PrerequisiteMissing(
            f"Maven did not fetch Kafka {KAFKA_VERSION} in {MAVEN_TIMEOUT_S} s: check the network, then try again"
        ) from None
    if done.returncode != 0:
        raise PrerequisiteMissing(
            f"Maven could not fetch Kafka {KAFKA_VERSION} (network, proxy or ~/.m2/settings.xml?): "
            + maven_cause(done.stdout + done.stderr)
        )


def _archive(distribution: Distribution, folder: Path, *, report: Report, train: Train) -> Path | None:
    """The class-data archive of this Java, made on first use: a start then takes 1.4 s instead of 2.5 s."""
    key = hashlib.sha256(f"{distribution.java.path} {distribution.java.version}".encode()).hexdigest()[:12]
    archive, refused = folder / f"{key}.jsa", folder / f"{key}.no-archive"
    if not archive.exists() and not refused.exists():
        report("recording Kafka's classes for faster starts, once (about 5 s)")
        part = archive.with_suffix(".part")
        try:
            train(distribution, part)
            part.rename(archive)
        except (DevBrokerUnavailable, FileNotFoundError):
            refused.touch()
    return archive if archive.exists() else None


@contextmanager
def _locked(path: Path, *, report: Report) -> Iterator[None]:
    """Hold the lock of the cache; the kernel releases it when the holder dies, however it dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another process that is fetching Kafka")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
