"""``make rehearse``: the main job here and in clouds that are stand-ins on this machine. No account, no network.

The Airflow connections are the only difference to production. State is in a folder of its own, ``rehearsal`` in the
state folder, so it touches neither ``lanner.yaml`` nor what was trained before; the same command again goes on there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from include import settings
from include.documents import DatasetDocument
from include.laptop.main_job import BATCH, arguments, main
from include.laptop.present import complain, say
from include.laptop.running import alone
from include.store import Store
from tests.standins.azure.custom_vision_cloud import custom_vision
from tests.standins.clouds import CLOUDS, Cloud, NoStandin

# The cloud of each target
REHEARSED = {**CLOUDS, "sagemaker_builtin": CLOUDS["sagemaker"], "custom_vision": custom_vision}


def rehearse(given: Sequence[str]) -> int:
    """Run it all. Returns an exit code as ``make run`` does; 1 also if a hold-out image was sent to a cloud."""
    targets = arguments(given).targets or list(REHEARSED)
    if unknown := set(targets).difference(REHEARSED):
        complain(f"There is no rehearsal of {', '.join(sorted(unknown))}; there is one of {', '.join(REHEARSED)}.")
        return 2
    home = settings.state_folder().resolve() / "rehearsal"
    os.environ |= {"LANNER_HOME": str(home), "LANNER_SETTINGS": str(home / "lanner.yaml")}
    try:
        with alone(home / "standins"), contextlib.ExitStack() as stack:
            say(f"Starting the stand-ins of {', '.join(targets)} (their state: {home / 'standins'}).")
            wanted = dict.fromkeys(REHEARSED[target] for target in targets)
            clouds = [stack.enter_context(start(home / "standins")) for start in wanted]
            for cloud in clouds:
                os.environ |= cloud.connections
                put_settings(home / "lanner.yaml", cloud.settings)
                say(f"Calls can be broken at {', '.join(cloud.proxies.values())} (tests/standins/fault_proxy.py).")
            code = main([*given, "--targets", ",".join(targets)])
            return code or show_what_was_sent(Store(home / "store"), clouds)
    except (NoStandin, RuntimeError) as wrong:
        complain(str(wrong))
        return 2


def put_settings(file: Path, sections: dict[str, Any]) -> None:
    """Set sections of a settings file, keeping the others."""
    tree = YAML().load(file) if file.exists() else {"namespace": "rehearsal", "collections": {}}
    tree.update(sections)
    with file.open("w") as sink:
        YAML().dump(tree, sink)


def show_what_was_sent(store: Store, clouds: Sequence[Cloud]) -> int:
    """Look for images of the hold-out in everything that was sent for a training. Returns an exit code."""
    secret = set().union(*(holdout_hashes(store, collection) for collection in settings.load().collections))
    for cloud in clouds:
        cloud.bring()
    sent = [file for cloud in clouds for file in cloud.bucket.rglob("*") if file.is_file() and not is_for_answers(file)]
    leaked = [str(file) for file in sent if contains(file, secret)]
    if leaked:
        complain(f"Images of the hold-out were sent, and must not be: {', '.join(leaked)}")
        return 1
    say(f"{len(sent)} objects lie in the buckets; none holds any of the {len(secret)} hold-out images.")
    return 0


def is_for_answers(file: Path) -> bool:
    """Was it sent to a model that can only be run in its cloud, when it was trained, to be scored by its answers?"""
    return "/predictions/" in urllib.parse.unquote(str(file))


def holdout_hashes(store: Store, collection: str) -> Iterator[str]:
    """SHA-256, in hex, of the images of a collection's hold-out."""
    found = store.newest(DatasetDocument, collection, BATCH)
    if found is None:
        return
    for image in json.loads(store.read(found[1].sides["holdout"].coco))["images"]:
        yield image["sha256"]


def contains(file: Path, hashes: set[str]) -> bool:
    """Is a file one of these images, or does it name one, as each record of a shard names its image?"""
    content = file.read_bytes()
    return hashlib.sha256(content).hexdigest() in hashes or any(each.encode() in content for each in hashes)


if __name__ == "__main__":
    sys.exit(rehearse(sys.argv[1:]))
