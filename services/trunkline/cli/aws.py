"""AWS keys, as a person enters them or a program pipes them in; never as an argument."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from trunkline.cli.entry import Secret, ask, is_terminal, read_document, read_secrets
from trunkline.cli.failures import wrong_usage
from trunkline.inference.v1.provider_pb2 import AwsKeys

_DEFAULT_REGION: Final = "us-east-1"

# By field, as the contract bounds them.
_SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "access_key_id": re.compile(r"[A-Za-z0-9]{16,128}", re.ASCII),
    "secret_access_key": re.compile(r"[\x21-\x7e]{1,256}", re.ASCII),
    "session_token": re.compile(r"[\x21-\x7e]{0,8192}", re.ASCII),
    "region": re.compile(r"[a-z0-9-]{0,32}", re.ASCII),
}
_REGIONAL_HOST: Final = re.compile(r"(https://bedrock-runtime(?:-fips)?\.)[a-z0-9-]+(\.)")

_ADVICE: Final = (
    'Pipe in {"access_key_id": …, "secret_access_key": …}, with "session_token" and "region" where'
    " they are needed, or a Bedrock API key alone."
)


def read_aws(provider: str) -> AwsKeys | str:
    """Read AWS keys, or a Bedrock API key.

    On a terminal they are asked for one by one, without echo but for the region. Standard input
    has a JSON object of the keys, or an API key alone.

    Args:
        provider: whose they are.

    Raises:
        Failure: what was entered makes no sense; its values are not told.
    """
    if is_terminal():
        return _ask(provider)
    document = read_document()
    if document.startswith("{"):
        return _parse(document)
    key = Secret(f"key of {provider}")
    if not document or not key.holds(document):
        raise wrong_usage(f"What was piped in is no key of {provider}.", _ADVICE)
    return document


def address_in(region: str, address: str) -> str:
    """Return the address of a region beside one of another; unchanged where neither is known."""
    return _REGIONAL_HOST.sub(rf"\g<1>{region}\g<2>", address, count=1) if region else address


def _ask(provider: str) -> AwsKeys | str:
    """Ask a person."""
    [access_key_id] = read_secrets(
        [Secret(f"Access key id of {provider} (empty: a Bedrock API key)")]
    )
    if not access_key_id:
        [key] = read_secrets([Secret(f"Bedrock API key of {provider}")])
        if not key:
            raise wrong_usage(f"No key was entered for {provider}.", "Enter it at the prompt.")
        return key
    secret, token = read_secrets(
        [
            Secret("Secret access key"),
            Secret("Session token of temporary keys (empty: none)"),
        ]
    )
    return _keys(
        {
            "access_key_id": access_key_id,
            "secret_access_key": secret,
            "session_token": token,
            "region": ask("Region", _DEFAULT_REGION),
        }
    )


def _parse(document: str) -> AwsKeys:
    """Read keys from JSON."""
    try:
        said: Any = json.loads(document)
    except (ValueError, RecursionError):
        # The decoder's own words repeat what it was given.
        raise wrong_usage("What was piped in is no JSON object.", _ADVICE) from None
    unknown = sorted(set(said) - set(_SHAPES))
    if unknown:
        raise wrong_usage("The keys that were piped in have fields that there are not.", _ADVICE)
    return _keys(said)


def _keys(said: Mapping[str, Any]) -> AwsKeys:
    """Return keys that have the shape of keys."""
    values = {name: said.get(name, "") for name in _SHAPES}
    for name, shape in _SHAPES.items():
        value = values[name]
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise wrong_usage(f"What was entered as {name} is none.", _ADVICE)
    return AwsKeys(**values)
