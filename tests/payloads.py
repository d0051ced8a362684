"""What code hosts send when somebody pushes, with the fields that matter and some that don't."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

BEFORE, AFTER = "1" * 40, "a" * 40
NOTHING = "0" * 40
SECRET = "s3cret"


def commit(commit_id: str = AFTER, **files: list[str]) -> dict[str, Any]:
    """A commit that has `added`, `modified` and `removed` files."""
    return {
        "id": commit_id,
        "message": "Bake more",
        "timestamp": "2026-05-04T10:11:12Z",
        "author": {"name": "Baker", "email": "baker@example.com"},
        "added": files.get("added", []),
        "modified": files.get("modified", []),
        "removed": files.get("removed", []),
    }


def github(
    *commits: dict[str, Any], url: str = "https://github.com/acme/shop", ref: str = "refs/heads/main", **more: Any
) -> dict[str, Any]:
    """A push at GitHub."""
    return {
        "ref": ref,
        "before": BEFORE,
        "after": AFTER,
        "created": False,
        "deleted": False,
        "forced": False,
        "compare": f"{url}/compare/111111111111...aaaaaaaaaaaa",
        "repository": {"id": 7, "full_name": "acme/shop", "html_url": url, "default_branch": "main"},
        "pusher": {"name": "baker"},
        "head_commit": commits[-1] if commits else None,
        "commits": list(commits),
        **more,
    }


def gitlab(
    *commits: dict[str, Any], url: str = "https://gitlab.com/acme/shop", ref: str = "refs/heads/main", **more: Any
) -> dict[str, Any]:
    """A push at GitLab."""
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": BEFORE,
        "after": AFTER,
        "ref": ref,
        "checkout_sha": AFTER,
        "project": {"id": 7, "web_url": url, "default_branch": "main", "path_with_namespace": "acme/shop"},
        "repository": {"name": "shop", "homepage": url},
        "commits": list(commits),
        "total_commits_count": len(commits),
        **more,
    }


def gitea(
    *commits: dict[str, Any], url: str = "https://git.example.com/acme/shop", ref: str = "refs/heads/main", **more: Any
) -> dict[str, Any]:
    """A push at Gitea or Forgejo."""
    return {
        "ref": ref,
        "before": BEFORE,
        "after": AFTER,
        "compare_url": f"{url}/compare/{BEFORE}...{AFTER}",
        "commits": list(commits),
        "total_commits": len(commits),
        "repository": {"id": 7, "full_name": "acme/shop", "html_url": url, "default_branch": "main"},
        **more,
    }


def bitbucket(
    *branches: str, url: str = "https://bitbucket.org/acme/shop", more: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """A push to these branches at Bitbucket Cloud."""
    changes = [
        {
            "old": {"type": "branch", "name": branch, "target": {"type": "commit", "hash": BEFORE}},
            "new": {"type": "branch", "name": branch, "target": {"type": "commit", "hash": AFTER}},
            "created": False,
            "closed": False,
            "forced": False,
            "truncated": False,
            "commits": [{"hash": AFTER, "message": "Bake more"}],
        }
        for branch in branches
    ]
    return {
        "actor": {"display_name": "Baker"},
        "repository": {"type": "repository", "full_name": "acme/shop", "links": {"html": {"href": url}}},
        "push": {"changes": [*changes, *more]},
    }


def bitbucket_server(*branches: str, url: str | None = "https://bitbucket.example.com") -> dict[str, Any]:
    """A push to these branches of acme/shop at a Bitbucket Server, which may not say where it is."""
    changes = [
        {
            "ref": {"id": f"refs/heads/{branch}", "displayId": branch, "type": "BRANCH"},
            "refId": f"refs/heads/{branch}",
            "fromHash": BEFORE,
            "toHash": AFTER,
            "type": "UPDATE",
        }
        for branch in branches
    ]
    repository: dict[str, Any] = {"slug": "shop", "id": 7, "name": "Shop", "project": {"key": "ACME", "id": 1}}
    if url is not None:
        repository["links"] = {"self": [{"href": f"{url}/projects/ACME/repos/shop/browse"}]}
    return {"eventKey": "repo:refs_changed", "repository": repository, "changes": changes}


def azure(
    *branches: str, url: str = "https://dev.azure.com/acme/My%20Project/_git/shop", default: str | None = "main"
) -> dict[str, Any]:
    """A push to these branches at Azure DevOps."""
    updates = [{"name": f"refs/heads/{branch}", "oldObjectId": BEFORE, "newObjectId": AFTER} for branch in branches]
    repository = {"id": "7", "name": "shop", "remoteUrl": url, "project": {"id": "1", "name": "My Project"}}
    if default is not None:
        repository["defaultBranch"] = f"refs/heads/{default}"
    return {
        "eventType": "git.push",
        "publisherId": "tfs",
        "resource": {
            "commits": [{"commitId": AFTER, "comment": "Bake more"}],
            "refUpdates": updates,
            "repository": repository,
        },
    }


def gerrit(ref: str = "refs/heads/main", *, project: str = "acme/shop", after: str = AFTER) -> dict[str, Any]:
    """A push at Gerrit, which says neither where it is nor what was touched."""
    return {
        "submitter": {"name": "Baker", "email": "baker@example.com", "username": "baker"},
        "refUpdate": {"oldRev": BEFORE, "newRev": after, "refName": ref, "project": project},
        "type": "ref-updated",
        "eventCreatedOn": 1_777_888_999,
    }


def proofs(system: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The headers with which a system proves that *body* comes from it, and says that it is a push."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "github": {"x-github-event": "push", "x-hub-signature-256": f"sha256={digest}"},
        "gitlab": {"x-gitlab-event": "Push Hook", "x-gitlab-token": secret},
        "bitbucketCloud": {"x-event-key": "repo:push", "x-hub-signature": f"sha256={digest}"},
        "bitbucketServer": {"x-event-key": "repo:refs_changed", "x-hub-signature": f"sha256={digest}"},
        "azureDevOps": {"authorization": f"Basic {base64.b64encode(f'any:{secret}'.encode()).decode()}"},
        "gitea": {"x-gitea-event": "push", "x-gitea-signature": digest},
        "gerrit": {"authorization": f"Basic {base64.b64encode(f'any:{secret}'.encode()).decode()}"},
    }[system]
