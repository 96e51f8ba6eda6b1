"""The trainer as SageMaker's containers run it in script mode: ``sourcedir.tar.gz``, a script beside the package.

https://sagemaker.readthedocs.io/en/stable/overview.html#prepare-a-training-script. Nothing is installed in the
container: it has TensorFlow and all else that the trainer needs.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

from training_services.sdist import TRAINER

SCRIPT = "train.py"
SCRIPT_TEXT = '''"""Started by SageMaker's training toolkit; the package lies beside it."""

from detector_trainer.sagemaker import run

run()
'''


def build_source(into: Path) -> Path:
    """Build it into a folder; the same code gives the same bytes. Returns the archive."""
    sources = {SCRIPT: SCRIPT_TEXT.encode()}
    package = TRAINER / "src" / "detector_trainer"
    sources |= {f"{package.name}/{file.name}": file.read_bytes() for file in sorted(package.glob("*.py"))}
    return pack(sources, into / "sourcedir.tar.gz")


def pack(files: dict[str, bytes], archive: Path) -> Path:
    """Files by name as an archive that says nothing of when and by whom it was made."""
    with (
        archive.open("wb") as opened,
        gzip.GzipFile("", "wb", fileobj=opened, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return archive


def hash_of(archive: Path) -> str:
    return hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
