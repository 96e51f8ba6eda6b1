"""A training package of a few lines, staged as the real one is: what the stand-ins' own tests submit."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

_SETUP = 'from setuptools import setup\nsetup(name="tiny-trainer", version="1.0", packages=["tiny"])\n'
_PREPARED = "import os, sys, time\n\ndef wait():\n    time.sleep(3600)\n\n"
_MODULE = '''"""Prints, writes and ends as its arguments say; gs:// URIs are paths below the mount."""
import json, os, pathlib, signal, sys, time

def at(uri):
    return pathlib.Path(os.environ.get("GCS_MOUNT", "/gcs")) / uri.removeprefix("gs://")

for argument in sys.argv[1:]:
    name, _, value = argument.removeprefix("--").partition("=")
    if name == "print":
        print(value, flush=True)
    elif name == "complain":
        print(value, file=sys.stderr, flush=True)
    elif name == "copy":
        source, target = value.split(",")
        at(target).parent.mkdir(parents=True, exist_ok=True)
        at(target).write_bytes(at(source).read_bytes())
    elif name == "environment":
        role = json.loads(os.environ["CLUSTER_SPEC"])["task"]
        file = at(value) / f"{role['type']}-{role['index']}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(dict(os.environ)))
    elif name == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif name == "last-words":
        def leave(*_, file=at(value)):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("checkpoint")
            sys.exit(75)
        signal.signal(signal.SIGTERM, leave)
    elif name == "wait":
        while not (at(value)).exists():
            time.sleep(0.05)
    elif name == "exit":
        sys.exit(int(value))
'''


def build(folder: Path, kind: str = "sdist", before: str = "") -> Path:
    """Its package, built in a folder without a network.

    Args:
        kind: ``sdist``, or ``bdist_wheel``, which installs faster.
        before: what the sdist's setup.py does first when it is installed; it has ``os`` and a ``wait()`` without end.
    """
    (folder / "tiny").mkdir(parents=True)
    late = f"if 'sdist' not in sys.argv:\n{textwrap.indent(before, '    ')}" if before else ""
    (folder / "setup.py").write_text(f"{_PREPARED}{late}{_SETUP}")
    (folder / "tiny" / "__init__.py").touch()
    (folder / "tiny" / "task.py").write_text(_MODULE)
    subprocess.run([sys.executable, "setup.py", "-q", kind], cwd=folder, check=True, capture_output=True)
    return next((folder / "dist").iterdir())
