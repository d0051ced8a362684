"""Questions to a bucket, and what its errors mean."""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, S3Store

from callboard.errors import CallboardError, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Outside

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

Store = S3Store | GCSStore | AzureStore

_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
_STATUS = re.compile(r"status(?: code)?:? (\d{3})|\b([45]\d\d) [A-Z][a-z]+")
_MOST_LISTED = 500_000
_CHUNK = 1_000


def client_options(outside: Outside, endpoint: str | None) -> "ClientConfig":
    """How the servers of a store are asked."""
    return {
        "timeout": timedelta(seconds=outside.timeout_seconds),
        "connect_timeout": timedelta(seconds=min(10.0, outside.timeout_seconds)),
        "allow_http": endpoint is not None and endpoint.startswith("http://"),
        "user_agent": "callboard",
    }


def retries(outside: Outside) -> "RetryConfig":
    """How often: passing failures are tried again twice."""
    return {"max_retries": 2, "retry_timeout": timedelta(seconds=outside.timeout_seconds)}


async def get(store: Store, key: str, url: str, etag: str | None, most: int) -> tuple[bytes, str | None] | None:
    """The content and the ETag of *key*; None when it still is at *etag*. Raises as `Reader.read` does."""
    try:
        found = await obstore.get_async(store, key, options={} if etag is None else {"if_none_match": etag})
        if found.meta["size"] > most:
            raise Unreadable(f"{url} is larger than {most} bytes")
        return bytes(await found.bytes_async()), found.meta["e_tag"]
    except exceptions.NotModifiedError:
        return None
    except Exception as error:  # noqa: BLE001 - the library raises whatever its parts do, Exception itself included
        raise meaning(error, url) from None


async def is_there(store: Store, key: str, url: str) -> bool:
    """Whether there is a file with this *key*. Raises as `Reader.read` does for all else."""
    try:
        await obstore.head_async(store, key)
    except Exception as error:  # noqa: BLE001 - as above
        told = meaning(error, url)
        if isinstance(told, LocationNotFound):
            return False
        raise told from None
    return True


async def keys(store: Store, folder: str, url: str) -> list[str]:
    """All keys in *folder* and below it."""
    found: list[str] = []
    async for chunk in chunks(store, folder, url):
        found += chunk
        if len(found) > _MOST_LISTED:
            raise Unreadable(f"there are more than {_MOST_LISTED} files below {url}")
    return found


async def chunks(store: Store, folder: str, url: str, after: str | None = None) -> AsyncIterator[Sequence[str]]:
    """The keys in *folder*, those behind *after*, a thousand at a time, in their order."""
    try:
        async for chunk in obstore.list(store, folder or None, offset=after, chunk_size=_CHUNK):
            yield [each["path"] for each in chunk]
    except Exception as error:  # noqa: BLE001 - as above
        raise meaning(error, url) from None


def meaning(error: Exception, url: str) -> CallboardError:
    """What an *error* of the library says about *url*. Its own words may hold signatures, so they are not repeated."""
    if isinstance(error, CallboardError):
        return error
    told = str(error)
    code, status = _CODE.search(told), _STATUS.search(told)
    said = code[1] if code else next(filter(None, status.groups()), "") if status else ""
    why = f" ({said})" if said else ""
    if isinstance(error, exceptions.NotFoundError | FileNotFoundError):
        return LocationNotFound(f"nothing was found at {url}{why}")
    if isinstance(error, exceptions.InvalidPathError):
        return InvalidRef(f"{url} names no file that could be there")
    if isinstance(error, exceptions.PermissionDeniedError | PermissionError):
        return NotAllowed(f"the credentials for {url} may not read it{why}")
    if isinstance(error, exceptions.UnauthenticatedError):
        return Unreadable(f"the credentials for {url} are not accepted{why}")
    if "timed out" in told or "timeout" in told.lower():
        return Unreadable(f"{url}: no complete answer in time")
    if "credential" in told.lower() or "metadata" in told.lower() or "token" in told.lower():
        return Unreadable(f"there are no usable credentials for {url}")
    return Unreadable(f"{url} can't be read: {type(error).__name__}{why}")
