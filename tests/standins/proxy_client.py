"""The fault proxy as a process, and its control endpoint."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from include.laptop.environment import free_port
from tests.standins.processes import Standin, python_module

FIRST_PORT = 18840


def proxy_standin(state: Path, upstream: str) -> Standin:
    """A proxy before a stand-in, not yet started."""
    port = free_port(FIRST_PORT, quiet=True)
    command = python_module("tests.standins.fault_proxy", "--port", str(port), "--upstream", upstream)
    return Standin("proxy", command, f"http://127.0.0.1:{port}", state, ready="/control/rules")


def control(url: str, path: str, body: Any = None, method: str = "GET") -> Any:
    """Ask or tell the proxy; see ``fault_proxy``."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/control/{path}", content, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def rule(url: str, **fields: Any) -> None:
    """One more rule."""
    control(url, "rules", fields, "POST")
