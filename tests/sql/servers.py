"""Database servers on loopback, for tests alone: each ends with the process that started it, however that ends."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

INSTALL = Path(__file__).parents[1] / "servers" / "install.sh"
USER = "etl"
PASSWORD = "p@ss:w/rd 100%"
_ACCOUNTS = {"postgres": "postgres", "mariadbd": "mysql"}


class Unavailable(Exception):
    """The server is not here and cannot be installed; says why."""


@dataclass(frozen=True)
class Server:
    host: str
    port: int


@contextmanager
def postgresql() -> Iterator[Server]:
    binaries = _postgresql_binaries()
    with _folder("postgres") as (data, run_as):
        secret = data.with_name("password")
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        options = ["-U", USER, f"--pwfile={secret}", "--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        _do([*run_as, binaries / "initdb", "-D", data, *options])
        port = _free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": port,
            "fsync": "off",
            "max_connections": 30,
            "shared_buffers": "32MB",
            "autovacuum": "off",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [*run_as, "--pdeathsig", "QUIT", binaries / "postgres", "-D", data, *words]
        with _running(command, port, data.with_name("log"), "database system is ready to accept connections"):
            yield Server("127.0.0.1", port)


@contextmanager
def mariadb() -> Iterator[Server]:
    if not Path("/usr/sbin/mariadbd").exists():
        _install("/usr/sbin/mariadbd")
    with _folder("mariadbd") as (data, run_as):
        own = ["--no-defaults", f"--datadir={data}", f"--tmpdir={data}"]  # what others left in /tmp may be in the way
        _do([*run_as, "mariadb-install-db", *own, "--skip-test-db"])
        port = _free_port()
        start = data.with_name("start.sql")
        quoted = PASSWORD.replace("'", "''")
        start.write_text(f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{quoted}';\nGRANT ALL ON *.* TO '{USER}'@'%';\n")
        start.chmod(0o644)
        options = [
            *own[1:],
            "--bind-address=127.0.0.1",
            f"--port={port}",
            f"--socket={data}/socket",
            f"--pid-file={data}/pid",
            f"--init-file={start}",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=64M",
            "--max-allowed-packet=64M",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
        ]
        command = [*run_as, "--pdeathsig", "KILL", "/usr/sbin/mariadbd", "--no-defaults", *options]
        with _running(command, port, data.with_name("log"), "ready for connections"):
            yield Server("127.0.0.1", port)


def _postgresql_binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        _install("/usr/lib/postgresql")
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise Unavailable("PostgreSQL is not installed")
    return found[-1].parent


def _install(expected: str) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable(f"`{expected}` is not there; as root, {INSTALL} installs it")
    done = subprocess.run([INSTALL], capture_output=True, text=True, check=False)
    if done.returncode or not Path(expected).exists():
        raise Unavailable(f"`{expected}` cannot be installed: {done.stderr[-300:]}")


@contextmanager
def _folder(program: str) -> Iterator[tuple[Path, list[str]]]:
    """A data folder that the server's account owns, and the words that run a command as that account."""
    if not shutil.which("setpriv"):
        raise Unavailable("the command `setpriv` is missing")
    root = Path(tempfile.mkdtemp(prefix=f"pipectl-{program}-", dir="/tmp"))
    data = root / "data"
    data.mkdir(mode=0o700)
    run_as = ["setpriv"]
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam(_ACCOUNTS[program])
            root.chmod(0o755)
            os.chown(data, account.pw_uid, account.pw_gid)
            run_as += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        yield data, run_as
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _running(command: list[object], port: int, log: Path, ready: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/"
        )
    try:
        _wait(lambda: ready in log.read_text(errors="replace") and _listens(port), process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server does not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _do(command: list[object]) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{command[-1]}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
