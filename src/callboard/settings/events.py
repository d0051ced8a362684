"""The section `events`: what code hosts may tell, and how they prove that it is them."""

from dataclasses import dataclass, field
from typing import Annotated, Final

from callboard.settings import forms
from callboard.settings.forms import Form

_SECRET: Final = Form("a text", forms.text_of, secret=True)


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """The webhooks of one system."""

    webhook_secret: Annotated[str | None, _SECRET] = field(default=None, repr=False)
    """What the host signs its webhooks with, or sends along (GitLab). Without it no webhook of the system is accepted:
    nobody has to say who calls there, so that the signature is the only proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventModulesSettings:
    """The systems whose webhooks are understood, under the names that Backstage's modules have."""

    github: WebhookSettings = field(default_factory=WebhookSettings)
    """GitHub, and GitHub Enterprise."""

    gitlab: WebhookSettings = field(default_factory=WebhookSettings)
    """GitLab."""

    bitbucket_cloud: WebhookSettings = field(default_factory=WebhookSettings)
    """Bitbucket Cloud."""

    bitbucket_server: WebhookSettings = field(default_factory=WebhookSettings)
    """Bitbucket Server, and Bitbucket Data Center."""

    azure_dev_ops: WebhookSettings = field(default_factory=WebhookSettings)
    """Azure DevOps: what is sent along as the password, whatever the name."""

    gitea: WebhookSettings = field(default_factory=WebhookSettings)
    """Gitea, and Forgejo."""

    gerrit: WebhookSettings = field(default_factory=WebhookSettings)
    """Gerrit, whose plugin `webhooks` signs nothing: what the URL that it sends to has as the password before the host,
    or as `?secret=`."""


@dataclass(frozen=True, slots=True)
class EventsSettings:
    """What is told from outside."""

    modules: EventModulesSettings = field(default_factory=EventModulesSettings)
    """The systems whose webhooks are understood."""
