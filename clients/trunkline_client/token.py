"""The access token: given, of the environment, or the first admin's from its file."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import grpc

from trunkline_client.address import is_loopback
from trunkline_client.errors import TrunklineError
from trunkline_client.reasons import TokenInvalid, TokenMissing

TOKEN_VARIABLE: Final = "TRUNKLINE_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE: Final = "admin-token"  # noqa: S105 - the name of a file

_CONFIG_VARIABLE: Final = "TRUNKLINE_CONFIG"
_CONFIG_DIR_VARIABLE: Final = "TRUNKLINE_CONFIG_DIR"
_MAX_TOKEN_FILE_BYTES: Final = 4096
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,1024}")

Metadata = tuple[tuple[str, str], ...]
TokenSource = str | Callable[[], str] | None


class Token:
    """What shows who calls; asked again for every call, so that it may be renewed.

    Args:
        source: the token, what returns it, or None: it is looked for.
        addresses: that it is sent to.
    """

    __slots__ = ("_give",)

    def __init__(self, source: TokenSource, addresses: Sequence[str]) -> None:
        if source is None:
            found = _find(addresses)
            self._give: Callable[[], str] = lambda: found
        elif isinstance(source, str):
            self._give = lambda: source
        else:
            self._give = source

    def metadata(self) -> Metadata:
        """Return what a call says of it.

        Raises:
            TokenInvalid: what was given is no token; never told which.
        """
        token = self._give().strip()
        if not _TOKEN.fullmatch(token):
            raise TokenInvalid(
                "What was given as access token is none.",
                code=grpc.StatusCode.UNAUTHENTICATED,
                reason="TOKEN_INVALID",
            )
        return (("authorization", f"Bearer {token}"),)

    def is_renewed(self, error: TrunklineError, sent: Metadata) -> bool:
        """Tell whether a failed call was refused for its token, and has another one now.

        Args:
            error: how it failed.
            sent: what it said of its token.

        Raises:
            TokenInvalid: as `metadata`.
        """
        return error.reason == "TOKEN_INVALID" and self.metadata() != sent


def _find(addresses: Sequence[str]) -> str:
    """Return the token of the environment, else the first admin's.

    Raises:
        TokenMissing: there is none.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if token:
        return token
    # That file is this machine's deployment's. Another server has no business to see it.
    if not all(map(is_loopback, addresses)):
        raise _missing(f"{TOKEN_VARIABLE} is not set.")
    path = _config_dir() / TOKEN_FILE
    try:
        with path.open("rb") as file:
            return file.read(_MAX_TOKEN_FILE_BYTES).decode("ascii", "replace").strip()
    except OSError as error:
        raise _missing(
            f"{TOKEN_VARIABLE} is not set, and {path}, which `trunkline up` writes, cannot be"
            f" read: {error.strerror}."
        ) from None


def _config_dir() -> Path:
    """Return the directory of the deployment's own files, found as `trunkline` finds it."""
    moved = os.environ.get(_CONFIG_DIR_VARIABLE)
    if moved:
        return Path(moved).expanduser()
    usual = _usual_config_dir()
    named = os.environ.get(_CONFIG_VARIABLE)
    file = Path(named).expanduser() if named else usual / "config.toml"
    try:
        moved = tomllib.loads(file.read_text(encoding="utf-8")).get("config_dir")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return usual  # a file that is wrong is `trunkline`'s to complain of
    return Path(moved).expanduser() if isinstance(moved, str) and moved.strip() else usual


def _usual_config_dir() -> Path:
    """Return where this system keeps the settings of a user's programs."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        return base / "trunkline" / "trunkline"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "trunkline"
    return Path(os.environ.get("XDG_CONFIG_HOME", "").strip() or home / ".config") / "trunkline"


def _missing(why: str) -> TokenMissing:
    """Return the error for a token that is nowhere."""
    return TokenMissing(
        f"There is no access token: {why} Give one as `token`, or set {TOKEN_VARIABLE}.",
        code=grpc.StatusCode.UNAUTHENTICATED,
        reason="TOKEN_MISSING",
    )
