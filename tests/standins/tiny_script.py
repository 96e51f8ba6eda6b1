"""A training script of a few lines in a ``sourcedir.tar.gz``: what the SageMaker stand-in's own tests submit."""

from __future__ import annotations

import io
import tarfile

_SCRIPT = '''"""Prints, writes and ends as its one hyperparameter says: ``name=value;…``. Paths are below /opt/ml."""
import json, os, pathlib, signal, sys, time

base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
todo = sys.argv[sys.argv.index("--todo") + 1]
for step in filter(None, todo.split(";")):
    name, _, value = step.partition("=")
    if name == "print":
        print(value, flush=True)
    elif name == "complain":
        print(value, file=sys.stderr, flush=True)
    elif name == "write":
        path, _, text = value.partition(":")
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_text(text)
    elif name == "show":
        print(path := base / value, path.read_text() if path.exists() else "is not there", flush=True)
    elif name == "environment":
        (base / "model" / f"{os.environ['CURRENT_HOST']}.json").write_text(json.dumps([dict(os.environ), sys.argv]))
    elif name == "tree":
        found = sorted(str(file.relative_to(base)) for file in base.rglob("*") if file.is_file())
        (base / "model" / "tree.json").write_text(json.dumps(found))
    elif name == "last-words":
        def leave(*_, file=base / value):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("checkpoint")
            sys.exit(75)
        signal.signal(signal.SIGTERM, leave)
    elif name == "wait":
        while not (base / value).exists():
            time.sleep(0.05)
    elif name == "exit":
        sys.exit(int(value))
'''


def sourcedir(**files: str) -> bytes:
    """The archive: ``train.py``, and more files by name."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in {"train.py": _SCRIPT, **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()
