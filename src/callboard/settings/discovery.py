"""The section `discovery`: where the plugins of the Backstage installation are."""

import re
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote

from callboard.settings import forms
from callboard.settings.forms import Form, Shorthand
from callboard.settings.values import Value

_PLUGIN_ID = re.compile(r"\{\{\s*pluginId\s*\}\}")


@dataclass(frozen=True, slots=True)
class TargetSetting:
    """A base URL, as servers and as browsers see it."""

    internal: Annotated[str | None, forms.WEB_ADDRESS] = None
    """The base URL for servers, which is what Callboard calls; `{{pluginId}}` in it stands for the plugin."""

    external: Annotated[str | None, forms.WEB_ADDRESS] = None
    """The base URL for browsers. Callboard does not use it."""


def _target(value: Value) -> TargetSetting:
    address = str(forms.WEB_ADDRESS.parse(value))
    return TargetSetting(internal=address, external=address)


_TARGET: Final = Form("an http or https URL, or an object with internal and external", _target)


@dataclass(frozen=True, slots=True)
class EndpointSetting:
    """Where some plugins are."""

    target: Annotated[TargetSetting, Shorthand(_TARGET)]
    """The base URL of each of the plugins; `{{pluginId}}` in it stands for the plugin. An object has one for servers
    and one for browsers."""

    plugins: tuple[str, ...]
    """The ids of the plugins, such as `auth` and `permission`."""


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """Where the plugins of the Backstage installation are."""

    endpoints: tuple[EndpointSetting, ...] = ()
    """The plugins that are not where the others are. Callboard asks `auth` for the keys of user tokens, and any plugin
    that calls it for the plugin's own keys."""

    def base_url(self, plugin: str) -> str | None:
        """Where servers reach *plugin*, without a slash at the end; None when no endpoint says."""
        for endpoint in reversed(self.endpoints):
            if plugin in endpoint.plugins and endpoint.target.internal is not None:
                return _PLUGIN_ID.sub(quote(plugin, safe=""), endpoint.target.internal)
        return None
