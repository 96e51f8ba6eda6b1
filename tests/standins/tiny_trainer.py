"""A training package of a few lines, staged as the real one is: what the stand-ins' own tests submit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SETUP = 'from setuptools import setup\nsetup(name="tiny-trainer", version="1.0", packages=["tiny"])\n'
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
    elif name == "wait":
        while not (at(value)).exists():
            time.sleep(0.05)
    elif name == "exit":
        sys.exit(int(value))
'''


def build(folder: Path, kind: str = "sdist") -> Path:
    """Its package, built in a folder without a network: ``sdist``, or ``bdist_wheel``, which installs faster."""
    (folder / "tiny").mkdir(parents=True)
    (folder / "setup.py").write_text(_SETUP)
    (folder / "tiny" / "__init__.py").touch()
    (folder / "tiny" / "task.py").write_text(_MODULE)
    subprocess.run([sys.executable, "setup.py", "-q", kind], cwd=folder, check=True, capture_output=True)
    return next((folder / "dist").iterdir())
