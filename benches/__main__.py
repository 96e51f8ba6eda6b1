"""``make bench``: all benches that take minutes at most, each in a process of its own, into docs/benchmarks.md.

With ``--only`` some of them: their rows take the place of the same ones in the page, everything else stays.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benches.measure import Row, machine, options, table, today
from benches.page import write_rows, write_section

QUICK = (
    "convert",
    "annotations",
    "image_checks",
    "coco",
    "sagemaker_json",
    "scoring",
    "training",
    "parsing",
    "exports",
    "clients",
    "staging",
    "staging_s3",
    "upload_custom_vision",
    "waiting",
    "waiting_aws",
)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--only", nargs="+", type=_name, choices=QUICK, default=QUICK, help="some of them")
    asked = parser.parse_args()
    about = f"Measured on {today()} on {machine()}."
    rows: list[Row] = []
    left_out: list[str] = []
    with TemporaryDirectory(prefix="lanner-bench-") as scratch:
        for name in asked.only:
            result = Path(scratch, f"{name}.json")
            command = [sys.executable, "-m", f"benches.{name}", "--json", str(result)]
            done = subprocess.run([*command, "--data", *map(str, asked.data), "--homes", *map(str, asked.homes)])
            found = json.loads(result.read_text()) if done.returncode == 0 else []
            rows += [Row.from_json(fields) for fields in found]
            if not found:
                left_out.append(f"Left out: benches.{name} gave no figure on this machine.")
    text = "\n\n".join([about, table(rows), *left_out])
    print(text)
    if tuple(asked.only) == QUICK:
        write_section("rows", text)
    elif rows:
        write_rows(rows, f"`make bench ONLY='{' '.join(asked.only)}'`", about)


def _name(text: str) -> str:
    """A bench's name, hyphens allowed."""
    return text.replace("-", "_")


if __name__ == "__main__":
    main()
