"""What an account has by name and does nothing by itself: models, endpoint configurations. Kept on disk, one file each.

The refusals' words are those that Terraform's provider and AWS's own controllers look for:
https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/sagemaker/
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.standins.aws.errors import invalid
from tests.standins.aws.sagemaker_rules import Account
from training_services.local_runner import write


class Records:
    """All of one kind that an account has, in every region.

    Args:
        folder: keeps them.
        kind: begins the names of their members, as in "Model".
        resource: in their ARNs, as in "model".
        words: what refusals call them.
    """

    def __init__(self, folder: Path, account: Account, kind: str, resource: str, words: str) -> None:
        self.folder, self.account = folder, account
        self.name, self.arn, self.resource, self.words = f"{kind}Name", f"{kind}Arn", resource, words
        self._lock = threading.Lock()

    def put(self, region: str, record: dict[str, Any]) -> str:
        """Keep one. Returns its ARN; of several with one name, one is made."""
        arn, file = self._arn(region, record[self.name]), self._file(region, record[self.name])
        with self._lock:
            if file.exists():
                raise invalid(f'Cannot create already existing {self.words} "{arn}".')
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, json.dumps(record | {self.arn: arn, "CreationTime": time.time()}))
        return arn

    def describe(self, region: str, name: str) -> dict[str, Any]:
        """One as the API shows it.

        Raises:
            Refusal: there is none of this name.
        """
        file = self._file(region, name)
        if not file.exists():
            raise invalid(f'Could not find {self.words} "{self._arn(region, name)}".')
        return {key: value for key, value in json.loads(file.read_text()).items() if key != "Tags"}

    def delete(self, region: str, name: str) -> None:
        self.describe(region, name)
        self._file(region, name).unlink(missing_ok=True)

    def summaries(self, region: str) -> Iterator[dict[str, Any]]:
        for file in (self.folder / region).glob("*.json"):
            record = json.loads(file.read_text())
            yield {name: record[name] for name in (self.name, self.arn, "CreationTime")}

    def tags(self, arn: str) -> list[dict[str, str]] | None:
        """One's tags; None: it is not one of these."""
        region, name = arn.split(":")[3], arn.rsplit("/", 1)[1]
        file = self._file(region, name)
        return (
            json.loads(file.read_text()).get("Tags", []) if file.exists() and arn == self._arn(region, name) else None
        )

    def _file(self, region: str, name: str) -> Path:
        return self.folder / region / f"{name}.json"

    def _arn(self, region: str, name: str) -> str:
        return f"arn:aws:sagemaker:{region}:{self.account.id}:{self.resource}/{name}"
