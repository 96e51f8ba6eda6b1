"""Makes the bucket of a deployment: private, in the region of its jobs."""

from __future__ import annotations

from include.clouds.google_project import GoogleProject


def describe(project: str, bucket: str, region: str) -> str:
    """What ``create_bucket`` will do, for whoever is to agree."""
    return (
        f"Making gs://{bucket} in {region}, for project {project}: access by roles alone (uniform bucket-level access),"
        " never public (public access prevention enforced). Nothing in it is ever deleted by itself; docs/google.md "
        "says how to have old jobs deleted."
    )


def create_bucket(project: GoogleProject, bucket: str, region: str) -> None:
    """Make the bucket. One of this name that this project has already is left as it is.

    Raises:
        PermissionError: the caller may not make buckets.
        ValueError: the name is another project's, or there is no such region.
    """
    from google.api_core.exceptions import BadRequest, Conflict, Forbidden

    wanted = project.storage.bucket(bucket)
    wanted.iam_configuration.uniform_bucket_level_access_enabled = True
    wanted.iam_configuration.public_access_prevention = "enforced"
    try:
        project.storage.create_bucket(wanted, location=region, timeout=60)
    except Conflict as taken:
        if not _is_ours(project, bucket):
            raise ValueError(
                f"gs://{bucket} is another project's: the names of buckets are shared by the whole world. Choose "
                "another as google.bucket in lanner.yaml."
            ) from taken
    except Forbidden as forbidden:
        raise PermissionError(
            f"gs://{bucket} cannot be made: {forbidden.message} It takes storage.buckets.create on project "
            f"{project.project} (roles/storage.admin)."
        ) from forbidden
    except BadRequest as wrong:
        raise ValueError(f"gs://{bucket} cannot be made in {region}: {wrong.message}") from wrong


def _is_ours(project: GoogleProject, bucket: str) -> bool:
    return any(each.name == bucket for each in project.storage.list_buckets(prefix=bucket, timeout=30))
