"""Tell Ollama's cloud from a server of one's own, since what they hold to differs.

Source: https://docs.ollama.com/cloud.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from trunkline.inference.adapters.adapter import Target

_HOST: Final = "ollama.com"


def is_cloud(target: Target) -> bool:
    """Tell whether the address is that of Ollama's cloud, where alone a key counts."""
    host = urlsplit(target.base_url).hostname or ""
    return host == _HOST or host.endswith(f".{_HOST}")


def answers_from_cloud(target: Target) -> bool:
    """Tell whether the model runs in the cloud: asked there, or handed on by a server.

    A server hands on models whose tag is `cloud` or ends with `-cloud`.
    """
    _, _, tag = target.model.partition(":")
    return is_cloud(target) or tag == "cloud" or tag.endswith("-cloud")
