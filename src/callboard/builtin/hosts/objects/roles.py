"""Roles: the credentials that AWS lends for an hour to those who may take a role."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

try:
    from aiobotocore.session import AioSession
except ImportError as error:
    from callboard.errors import InvalidConfiguration

    raise InvalidConfiguration(
        f"integrations.awsS3: for roleArn, expected {error.name} to be installed: pip install 'callboard[objects,aws]'"
    ) from error

from callboard.builtin.hosts.objects.options import S3Options

if TYPE_CHECKING:
    from obstore.store import S3Credential, S3CredentialProvider


def provider(options: S3Options, region: str) -> "S3CredentialProvider":
    """What the store asks for credentials whenever it has none, or the old ones are about to end."""

    async def credential() -> "S3Credential":
        return await lent(options, region)

    return credential


async def lent(options: S3Options, region: str) -> "S3Credential":
    """Credentials of the role, for an hour."""
    client: Any = AioSession().create_client(
        "sts",
        region_name=region,
        aws_access_key_id=options.access_key_id,
        aws_secret_access_key=None if options.secret_access_key is None else str(options.secret_access_key),
    )
    async with client as sts:
        wanted = {"RoleArn": options.role_arn, "RoleSessionName": "callboard"}
        if options.external_id is not None:
            wanted["ExternalId"] = str(options.external_id)
        found = (await sts.assume_role(**wanted))["Credentials"]
    ends: datetime = found["Expiration"]
    return {
        "access_key_id": found["AccessKeyId"],
        "secret_access_key": found["SecretAccessKey"],
        "token": found["SessionToken"],
        "expires_at": ends.astimezone(UTC),
    }
