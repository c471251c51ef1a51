"""Say where a request goes in Azure, which has two ways to write an address.

The newer one has `/openai/v1` in it and names a deployment in the body, as OpenAI does a model. The
older one names it in the path, `/openai/deployments/NAME`, and wants a version in the query.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle. A version on a
newer address is refused.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from msgspec.structs import replace

from trunkline.inference.adapters.adapter import Target

VERSION: Final = "2024-10-21"
"""The version that older addresses are asked in, the last one that is no preview."""

VERSION_HEADER: Final = "api-version"
"""The header of a provider that names another version; it goes into the query instead."""

_FACE: Final = "/openai"
_NEWER: Final = "/v1"
_DEPLOYMENTS: Final = "/deployments"


def model_place(target: Target, operation: str) -> tuple[Target, str]:
    """Return who is asked for what a model makes, at the address before `path`, and the path.

    Args:
        target: at an address as it was given: of the resource, of its newer face, of one
            deployment, or of all.
        operation: what it is asked for, such as `/chat/completions`.
    """
    version = _version(target)
    base, _, deployment = target.base_url.rpartition(f"{_DEPLOYMENTS}/")
    if deployment and "/" not in deployment:
        path = f"{_DEPLOYMENTS}/{deployment}"
    elif target.base_url.endswith(_DEPLOYMENTS) or (version and not _is_newer(target)):
        base = _face(target.base_url.removesuffix(_DEPLOYMENTS))
        path = f"{_DEPLOYMENTS}/{quote(target.model, safe='')}"
    else:
        return _at(target, _newer_face(target)), operation
    return _at(target, base), f"{path}{operation}{_query(version)}"


def list_place(target: Target) -> tuple[Target, str]:
    """Return who is asked for the list of models, and the path; as `model_place`."""
    version = _version(target)
    base, older, _ = target.base_url.partition(_DEPLOYMENTS)
    if older or (version and not _is_newer(target)):
        return _at(target, _face(base)), f"/models{_query(version)}"
    return _at(target, _newer_face(target)), "/models"


def _is_newer(target: Target) -> bool:
    """Tell whether an address is one of the newer way, or one of a model on its own host."""
    return target.base_url.endswith(_NEWER)


def _newer_face(target: Target) -> str:
    """Return the newer address, which that of the resource stands for."""
    return target.base_url if _is_newer(target) else _face(target.base_url) + _NEWER


def _face(base_url: str) -> str:
    """Return the address of a resource with the path that both ways have."""
    return base_url if base_url.endswith(_FACE) else base_url + _FACE


def _version(target: Target) -> str:
    """Return the version that the provider's headers name; empty: they name none."""
    named = (value for name, value in target.headers.items() if name.lower() == VERSION_HEADER)
    return next(named, "")


def _query(version: str) -> str:
    """Return the query that names a version."""
    return f"?{VERSION_HEADER}={quote(version or VERSION, safe='')}"


def _at(target: Target, base_url: str) -> Target:
    """Return a target at another address of the same origin, without what goes into the query."""
    headers = {
        name: value for name, value in target.headers.items() if name.lower() != VERSION_HEADER
    }
    return replace(target, base_url=base_url, headers=headers)
