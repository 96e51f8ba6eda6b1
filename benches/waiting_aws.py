"""1,000 jobs of SageMaker waited for in one triggerer: what it asks, what it costs, and when it notices that one ended.

As ``benches.waiting`` does for Vertex AI, with a service that pretends its jobs (``waiting_sagemaker``). Ours is the
project's trigger with its poller, which streams log lines, a line a minute from each job, and whose calls for them are
counted. Against it, at the same interval, one DescribeTrainingJob for each job, written plainly with the same client.

The provider's own trigger needs aiobotocore, which is not installed here: it is left out.

A look of ours describes at most 100 jobs, so 1,000 that are new take ten looks. The window begins after that.
"""

from __future__ import annotations

from pathlib import Path

from benches.measure import Asked, Row, main
from benches.waiting import ENDING, INTERVAL, WINDOW, Cloud, compare, deployment, wait
from benches.waiting_sagemaker import ACCOUNT, REGION, Jobs, Service

COUNT = 1000
SIDES = {"ours": "", "poll_per_job": "one poll for each job"}


def bench(asked: Asked) -> list[Row]:
    waited = {side: wait(SAGEMAKER, side, COUNT, ENDING, INTERVAL, WINDOW) for side in SIDES}
    on = f"{COUNT:,} jobs of SageMaker, a look every {INTERVAL:.0f} s"
    return compare(waited["ours"], waited["poll_per_job"], SIDES["poll_per_job"], on)


def aws_deployment(scratch: Path, url: str, interval: float) -> dict[str, str]:
    role = f"arn:aws:iam::{ACCOUNT}:role/lanner-training"
    settings = f"aws: {{bucket: our-bucket, role: '{role}', region: {REGION}, poll_seconds: {interval}}}"
    described = {"conn_type": "aws", "login": "bench", "password": "bench", "extra": {"endpoint_url": url}}
    return deployment(scratch, settings, "aws_default", described)


SAGEMAKER = Cloud(Jobs, Service, "benches.waiting_aws_sides", aws_deployment)

if __name__ == "__main__":
    main(__doc__, bench)
