"""One Airflow connection, as clients of the AWS services that a training needs: SageMaker, S3, CloudWatch Logs.

The connection may name other endpoints, as all of the provider's hooks understand it, for rehearsals and private
networks::

    {"endpoint_url": "http://127.0.0.1:9001", "service_config": {"sagemaker": {"endpoint_url": "http://127.0.0.1:9002"}}}

The provider's generic hook resolves it, and boto3 does the rest: with the three clients that is 0.3 to 0.9 CPU s and 36
MB more than ``airflow.sdk`` alone, on a busy machine; with the provider's own hooks of the three 1.1 CPU s and 52 MB.
"""

from __future__ import annotations

from include.clouds.aws_account import ALL_SERVICES, AwsAccount


class AwsCloud(AwsAccount):
    """The account of an Airflow connection."""

    @classmethod
    def of_connection(cls, connection: str, region: str) -> AwsCloud:
        """From an Airflow connection, through the provider's hook: keys, a profile, a role to assume, or what the
        machine itself is.
        """
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

        hook: AwsGenericHook = AwsGenericHook(connection, region_name=region, client_type="sagemaker")
        described = hook.conn_config
        endpoints = {
            service: fields["endpoint_url"]
            for service, fields in described.service_config.items()
            if "endpoint_url" in fields
        }
        if described.endpoint_url:
            endpoints[ALL_SERVICES] = described.endpoint_url
        return cls(hook.get_session(region), region, endpoints, described.botocore_config, described.verify)
