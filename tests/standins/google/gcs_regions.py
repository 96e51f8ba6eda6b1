"""The emulator of Cloud Storage with buckets in several regions: a fault proxy that says of each where it lies.

fake-gcs-server puts all of them in one place (https://github.com/fsouza/fake-gcs-server/issues/642).

``python -m tests.standins.google.gcs_regions --port 18840
--upstream http://127.0.0.1:18800 --bucket-region far=europe-west4``
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
from aiohttp import web

from include.laptop.environment import free_port
from tests.standins.fault_proxy import FaultProxy
from tests.standins.processes import Standin, python_module
from tests.standins.proxy_client import FIRST_PORT

DESCRIPTIONS = "/storage/v1/b/"


class Regions(FaultProxy):
    """The proxy.

    Args:
        regions: by bucket; the others are where the emulator says.
    """

    def __init__(self, upstream: str, regions: Mapping[str, str]) -> None:
        super().__init__(upstream)
        self.regions = regions

    async def _answer(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        region = self.regions.get(request.path.removeprefix(DESCRIPTIONS))
        if request.method != "GET" or answer.status != 200 or region is None:
            return await super()._answer(request, answer)
        return web.json_response(await answer.json() | {"location": region.upper()})


def regions_standin(state: Path, upstream: str, regions: Mapping[str, str]) -> Standin:
    """The proxy before an emulator, not yet started."""
    port = free_port(FIRST_PORT, quiet=True)
    options = [f"--bucket-region={bucket}={region}" for bucket, region in regions.items()]
    command = python_module("tests.standins.google.gcs_regions", f"--port={port}", f"--upstream={upstream}", *options)
    return Standin("regions", command, f"http://127.0.0.1:{port}", state, ready="/control/rules")


def main(argv: Sequence[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.standins.google.gcs_regions")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--upstream", required=True, metavar="URL")
    arguments.add_argument("--bucket-region", action="append", default=[], metavar="BUCKET=REGION")
    options = arguments.parse_args(argv)
    regions = {bucket: region for bucket, _, region in (each.partition("=") for each in options.bucket_region)}
    application = Regions(options.upstream, regions).application()
    web.run_app(application, host="127.0.0.1", port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
