"""The programs that stage a folder to a bucket, twice, and say what each time took: each in a process of its own.

python -m benches.staging_sides ours|transfer_manager URL FOLDER
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benches.measure import cpu_seconds
from benches.peak import peak_memory
from training_services.vertex.cloud import GoogleCloud

BUCKET, PROJECT, PREFIX = "lanner-bench", "lanner-rehearsal", "data"
WORKERS = 8


def cloud(url: str) -> GoogleCloud:
    from google.auth.credentials import AnonymousCredentials

    return GoogleCloud(AnonymousCredentials(), PROJECT, {"storage": url})


def files(folder: Path) -> dict[str, Path]:
    """By the name of its object."""
    return {f"{PREFIX}/{file.name}": file for file in sorted(folder.iterdir())}


def ours(url: str, folder: Path) -> Callable[[], None]:
    from training_services.bucket import upload

    bucket = cloud(url).storage.bucket(BUCKET)
    return lambda: print(upload(bucket, files(folder)), file=sys.stderr)


def transfer_manager(url: str, folder: Path) -> Callable[[], None]:
    """With threads, as many as ours; as processes each would hold a client of its own."""
    from google.cloud.storage import transfer_manager as manager

    bucket = cloud(url).storage.bucket(BUCKET)

    def way() -> None:
        pairs = [(str(file), bucket.blob(name)) for name, file in files(folder).items()]
        manager.upload_many(pairs, worker_type=manager.THREAD, max_workers=WORKERS, raise_exception=True)

    return way


def gcloud(url: str, folder: Path) -> Callable[[], None]:
    """The whole program, its start included."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{url}/storage/v1/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CONFIG": str(folder.parent / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_CORE_PROJECT": PROJECT,
        "CLOUDSDK_STORAGE_PARALLEL_COMPOSITE_UPLOAD_ENABLED": "false",  # it fails against the emulator
    }
    command = ["gcloud", "storage", "rsync", "--checksums-only", str(folder), f"gs://{BUCKET}/{PREFIX}"]

    def way() -> None:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"gcloud did not stage:\n{done.stderr[-2000:]}")

    return way


SIDES: dict[str, Callable[[str, Path], Callable[[], None]]] = {
    "ours": ours,
    "transfer_manager": transfer_manager,
    "gcloud": gcloud,
}


def main(side: str, url: str, folder: str) -> None:
    way = SIDES[side](url, Path(folder))
    print(json.dumps([*spent_twice(way), None if side == "gcloud" else peak_memory()]))


def spent_twice(way: Callable[[], None]) -> list[list[float]]:
    """Elapsed and CPU seconds of doing it, and of doing it again."""
    spent = []
    for _ in range(2):
        begun, before = time.perf_counter(), cpu_seconds()
        way()
        spent.append([time.perf_counter() - begun, cpu_seconds() - before])
    return spent


if __name__ == "__main__":
    main(*sys.argv[1:])
