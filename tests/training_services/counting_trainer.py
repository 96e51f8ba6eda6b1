"""A small script that stands where the trainer would be, and does as it is told; and a dataset for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from detector_trainer import __version__
from include.documents import Category, DatasetDocument, Shard, SideDocument
from include.store import Store
from training_services.sagemaker.source import SCRIPT as SCRIPT_NAME
from training_services.sagemaker.source import SCRIPT_TEXT, pack
from training_services.sdist import TRAINER

# Counts to `steps`, a step every 50 ms, goes on from --resume, and ends as "how" says. As an evaluator it only says so.
SCRIPT = """
import json, os, pathlib, signal, sys, time
spec = json.loads(os.environ.get("TF_CONFIG", "{}"))
task = {"type": "chief", "index": 0} | spec.get("task", {})
first = "chief" if "chief" in spec.get("cluster", {"chief": []}) else "worker"
is_chief = (task["type"], task["index"]) == (first, 0)  # of several workers it alone writes
if task["type"] == "evaluator":
    print("evaluating", flush=True)
    sys.exit()
def at(location):
    return pathlib.Path(location.replace("gs://", os.environ.get("GCS_MOUNT", "/gcs") + "/", 1))
arguments = {name: at(value) for name, value in zip(sys.argv[1::2], sys.argv[2::2])}
told = json.loads(arguments["--config"].read_text())
output = arguments["--output"]
(output / "checkpoints" / "last").mkdir(parents=True, exist_ok=True)
stopped = []
def stop(number, _):
    stopped.append(True)
    signal.signal(number, signal.SIG_DFL)  # like the trainer: asked twice, it ends at once
signal.signal(signal.SIGTERM, stop)
resume = arguments.get("--resume", output) / "checkpoints" / "last" / "state.npz"
step = int(resume.read_text()) if resume.exists() else 0
print("starting at step", step, flush=True)
while step < told["steps"]:
    time.sleep(0.05)
    step += 1
    if is_chief:
        unfinished = output / "checkpoints" / "last" / "state.part"
        unfinished.write_text(str(step))
        unfinished.replace(unfinished.with_suffix(".npz"))  # whole or not at all: it may be killed at any moment
        with (output / "metrics.jsonl").open("a") as metrics:
            metrics.write(json.dumps({"step": step, "steps": told["steps"], "loss": 1 / step}) + "\\n")
    if stopped:
        sys.exit(75)
if told["how"] != 0:
    failure = {"reason": told.get("reason", "TRAINER_ERROR"), "message": "as told"}
    (output / "failure.json").write_text(json.dumps(failure))
print("done", flush=True)
sys.exit(told["how"])
"""


def build(into: Path) -> Path:
    """The script as the trainer's sdist, built without a network."""
    package = into / "source" / "detector_trainer"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(SCRIPT)
    setup = f"setup(name='lanner-trainer', version='{__version__}', packages=['detector_trainer'])"
    (package.parent / "setup.py").write_text(f"from setuptools import setup\n{setup}\n")
    subprocess.run([sys.executable, "setup.py", "-q", "sdist"], cwd=package.parent, check=True, capture_output=True)
    return next((package.parent / "dist").iterdir())


# The trainer's command line, which SageMaker's adaptor calls.
CLI = f"""
import sys
DONE = 0
SCRIPT = {SCRIPT!r}
def main(arguments):
    sys.argv[1:] = arguments
    try:
        exec(SCRIPT, {{}})
    except SystemExit as end:
        return end.code
def leave(code):
    sys.exit(code)
"""


def build_source(into: Path) -> Path:
    """The script as SageMaker's ``sourcedir.tar.gz``, with the trainer's own adaptor."""
    adaptor = (TRAINER / "src" / "detector_trainer" / "sagemaker.py").read_bytes()
    package = {"__init__.py": b"", "cli.py": CLI.encode(), "sagemaker.py": adaptor}
    files = {SCRIPT_NAME: SCRIPT_TEXT.encode()} | {f"detector_trainer/{name}": text for name, text in package.items()}
    return pack(files, into / "sourcedir.tar.gz")


def package_files(into: Path) -> dict[str, Path]:
    """The script as the trainer's package as it is, by the names that its files have."""
    files = {"detector_trainer/__init__.py": "", "detector_trainer/__main__.py": SCRIPT}
    for name, text in files.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_text(text)
    return {name: into / name for name in files}


def dataset(store: Store, train_images: int = 2) -> str:
    """A dataset of three shards that hold their side's name. Returns its path."""

    def side(name: str, images: int) -> SideDocument:
        path = store.write(f"toy/shards/{name}/1.tfrecord", name.encode())
        shard = Shard(path=path, crc32c="0" * 8, bytes=5, images=images, boxes=images)
        return SideDocument(images=images, boxes=images, classes={"a": images}, shards=(shard,), coco="toy/coco")

    return store.put(
        DatasetDocument(
            collection="toy",
            key="all",
            batches=(),
            label_map=(Category(id=1, name="a"),),
            label_map_pbtxt=store.write("toy/label_map.pbtxt", b"item { id: 1 name: 'a' }"),
            assignments="toy/assignments",
            sides={
                "train": side("train", train_images),
                "validation": side("validation", 1),
                "holdout": side("holdout", 1),
            },
        )
    )
