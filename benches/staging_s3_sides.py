"""The programs that stage a folder to S3, twice, and say what each time took: each in a process of its own.

python -m benches.staging_s3_sides ours|transfer_manager|aws URL FOLDER
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benches.peak import KIB, peak_memory
from benches.staging_sides import PREFIX, WORKERS, files, spent_twice
from include.clouds.aws_account import ALL_SERVICES, AwsAccount
from include.settings import PROJECT

BUCKET, REGION = "lanner-bench", "us-east-1"
AWS = PROJECT / ".venv-bench" / "bin" / "aws"


def account(url: str) -> AwsAccount:
    from boto3.session import Session

    return AwsAccount(Session("rehearsal", "rehearsal", region_name=REGION), REGION, {ALL_SERVICES: url})


def ours(url: str, folder: Path) -> Callable[[], None]:
    from training_services.checksums import MEMORY
    from training_services.sagemaker.s3_bucket import S3Bucket

    (folder.parent / MEMORY).unlink(missing_ok=True)  # of another timing
    bucket = S3Bucket(account(url), BUCKET, folder=folder.parent)
    bucket.account.client("s3")
    return lambda: print(bucket.upload(files(folder)), file=sys.stderr)


def transfer_manager(url: str, folder: Path) -> Callable[[], None]:
    from boto3.s3.transfer import TransferConfig, create_transfer_manager

    client = account(url).client("s3")

    def way() -> None:
        with create_transfer_manager(client, TransferConfig(max_concurrency=WORKERS)) as manager:
            futures = [manager.upload(str(file), BUCKET, key) for key, file in files(folder).items()]
            for future in futures:
                future.result()

    return way


def aws(url: str, folder: Path) -> Callable[[], None]:
    """The whole program, its start included."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    command = [str(AWS), "s3", "sync", "--only-show-errors", str(folder), f"s3://{BUCKET}/{PREFIX}"]

    def way() -> None:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"aws did not stage:\n{done.stderr[-2000:]}")

    return way


SIDES: dict[str, Callable[[str, Path], Callable[[], None]]] = {
    "ours": ours,
    "transfer_manager": transfer_manager,
    "aws": aws,
}


def main(side: str, url: str, folder: str) -> None:
    spent = spent_twice(SIDES[side](url, Path(folder)))
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * KIB if side == "aws" else peak_memory()
    print(json.dumps([*spent, memory]))


if __name__ == "__main__":
    main(*sys.argv[1:])
