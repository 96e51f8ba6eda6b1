"""The databases on which Airflow runs here: SQLite, and a PostgreSQL of the tests' own, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from include.laptop.environment import free_port
from include.settings import PROJECT
from tests.faults.jobs.targets import CLOUDS

FIRST_PORT = 18900
ORDINARY_USER = "postgres"  # made by Debian's package; PostgreSQL refuses to run as root


SQLITE = pytest.param(("local", "sqlite"), id="sqlite")
POSTGRES = pytest.param(("local", "postgres"), id="postgres", marks=pytest.mark.postgres)
OF_CLOUDS = {target: pytest.param((target, "sqlite"), id=target, marks=pytest.mark.clouds) for target in CLOUDS}
CUSTOM_VISION = OF_CLOUDS["custom_vision"]
CLOUD_TARGETS = list(OF_CLOUDS.values())
on_sqlite = pytest.mark.parametrize("deployment", [SQLITE, *CLOUD_TARGETS], indirect=True)
in_clouds = pytest.mark.parametrize("deployment", CLOUD_TARGETS, indirect=True)
with_machines = pytest.mark.parametrize(  # that can be chosen
    "deployment", [param for param in CLOUD_TARGETS if param is not CUSTOM_VISION], indirect=True
)


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """SQLAlchemy URL of an empty database. Skips the test, saying so, where PostgreSQL is not installed."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql); `make test-faults` does it for you")
    folder = Path(tempfile.mkdtemp(prefix="lanner-pg-"))
    port = free_port(FIRST_PORT)
    user: list[str] = []
    if os.getuid() == 0:
        owner = pwd.getpwnam(ORDINARY_USER)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        user = ["runuser", "-u", ORDINARY_USER, "--"]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off "
    options += " ".join(_as_in_production())
    control = [*user, str(binaries / "pg_ctl"), "-D", str(folder / "data")]
    try:
        _call([*user, str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "lanner", "-A", "trust"], folder)
        _call([*control, "-w", "-l", str(folder / "log"), "-o", options, "start"], folder)
        _call(
            [*user, str(binaries / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "lanner", "airflow"], folder
        )
        yield f"postgresql+psycopg2://lanner@127.0.0.1:{port}/airflow"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], cwd=folder, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _as_in_production() -> list[str]:
    """What docker-compose.yaml sets."""
    compose = YAML(typ="safe").load(PROJECT / "docker-compose.yaml")
    return list(compose["services"]["postgres"]["command"][1:])


def _binaries() -> Path | None:
    """The folder of initdb, pg_ctl and createdb: Debian keeps it off the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda found: float(found.parts[-3]))
    on_path = shutil.which("pg_ctl")
    return versions[-1].parent if versions else Path(on_path).parent if on_path else None


def _call(command: list[str], folder: Path) -> None:
    # pg_ctl's server keeps the output open, so it goes to a file
    with (folder / "setup.txt").open("a+") as output:
        if subprocess.run(command, cwd=folder, stdout=output, stderr=output).returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{output.read()}")
