"""`trunkline token`: issue, list and revoke access tokens."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.failures import Failure, wrong_usage
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson, parse_duration
from trunkline.cli.output import (
    name_time,
    name_value,
    note,
    print_json,
    print_table,
    say,
    to_json,
)

if TYPE_CHECKING:
    from trunkline.cli.client import Client
    from trunkline.credential.v1.access_pb2 import AccessToken

app = typer.Typer(help="Issue, list and revoke access tokens.")


class TokenRole(StrEnum):
    """What a token lets its holder be."""

    DEVELOPER = "developer"
    ADMIN = "admin"


@app.command()
def issue(
    principal: Annotated[
        str,
        typer.Argument(metavar="PRINCIPAL", help="Who will call: a person, an agent, a backend."),
    ],
    role: Annotated[TokenRole, typer.Option(help="As what.")] = TokenRole.DEVELOPER,
    lifetime: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_duration, metavar="30d", help="How long it lives.  [until revoked]"
        ),
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    provider: Annotated[
        list[str] | None, typer.Option(help="Reaches this provider only; may be repeated.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Reaches this model only; may be repeated.")
    ] = None,
    impersonate: Annotated[
        bool, typer.Option("--impersonate", help="May ask on behalf of its own users.")
    ] = False,
    replaces: Annotated[
        str, typer.Option(metavar="tok_…", help="A token of the same principal that it replaces.")
    ] = "",
    overlap: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_duration, metavar="1h", help="How long the replaced one still works."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Write the token to this new file, for you alone, and do not print it."),
    ] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Make an access token and print it, this once.

    The token stands alone on standard output, so that TOKEN=$(trunkline token issue …)
    works; what else is to be known of it goes to standard error.
    """
    from trunkline.cli.client import open_client
    from trunkline.credential.v1 import access_pb2
    from trunkline.options.v1 import options_pb2

    if overlap is not None and not replaces:
        raise wrong_usage("--overlap needs a token that is replaced.", "Name it with --replaces.")
    request = access_pb2.IssueAccessTokenRequest(
        principal=principal,
        role=options_pb2.CallerRole.Value(f"CALLER_ROLE_{role.name}"),
        description=description,
        replaces=replaces,
    )
    if provider or model or impersonate:
        request.scope.providers.extend(provider or ())
        request.scope.models.extend(model or ())
        request.scope.impersonate = impersonate
    if lifetime is not None:
        request.lifetime.FromTimedelta(lifetime)
    if overlap is not None:
        request.overlap.FromTimedelta(overlap)
    with open_client(address) as client, _new_file(output) as file:
        issued = client.ask(client.access.IssueAccessToken, request)
        if file is not None:
            _write(file, issued.token, client, issued.access_token)
    document = to_json(issued)
    if output is not None:
        del document["token"]
    if as_json:
        print_json(document)
        return
    note(_describe(issued.access_token))
    if output is not None:
        note(f"The token was written to {output}.")
    else:
        say(issued.token)


@app.command("list")
def show(
    principal: Annotated[str, typer.Option(help="Only those of this principal.")] = "",
    ended: Annotated[
        bool, typer.Option("--ended", help="Also those that were revoked or have expired.")
    ] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """List access tokens, newest first, never the tokens themselves."""
    from trunkline.cli.client import open_client
    from trunkline.credential.v1 import access_pb2

    request = access_pb2.ListAccessTokensRequest(principal=principal, include_ended=ended)
    with open_client(address) as client:
        tokens = client.list_all(
            client.access.ListAccessTokens, request, lambda page: page.access_tokens
        )
    if as_json:
        print_json({"access_tokens": [to_json(token) for token in tokens]})
        return
    columns = ("TOKEN", "PRINCIPAL", "ROLE", "REACHES", "MADE", "ENDS", "FOR")
    print_table(
        columns,
        (
            (
                token.id,
                token.principal,
                _role(token),
                _scope(token),
                name_time(token.create_time),
                _end(token),
                token.description,
            )
            for token in tokens
        ),
    )


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="tok_…", help="Which token.")],
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """End an access token, with the calls that were opened with it."""
    from trunkline.cli.client import open_client
    from trunkline.credential.v1 import access_pb2

    with open_client(address) as client:
        revoked = client.ask(
            client.access.RevokeAccessToken, access_pb2.RevokeAccessTokenRequest(id=token_id)
        )
    if as_json:
        print_json(to_json(revoked))
    else:
        token = revoked.access_token
        say(f"{token.id} of {token.principal} is revoked.")


@contextlib.contextmanager
def _new_file(path: Path | None) -> Iterator[int | None]:
    """Make a file for a secret before the secret is made; remove it when something fails.

    Args:
        path: a path that nothing lies at yet; None: no file is wanted.

    Raises:
        Failure: there is something, or it cannot be made.
    """
    if path is None:
        yield None
        return
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise wrong_usage(
            f"{path} exists already, and is left as it is.", "Remove it, or name another file."
        ) from None
    except OSError as error:
        raise wrong_usage(
            f"{path} cannot be written ({error.strerror}).", "Name another file with --output."
        ) from None
    try:
        yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)


def _write(file: int, secret: str, client: Client, token: AccessToken) -> None:
    """Write a token to its file; one that cannot be written is revoked, as nobody would know it.

    Raises:
        Failure: it cannot be written.
    """
    from trunkline.credential.v1 import access_pb2

    try:
        content = f"{secret}\n".encode()
        if os.write(file, content) != len(content):
            raise OSError(0, "No space left on device")
        os.fsync(file)
    except OSError as error:
        client.ask(
            client.access.RevokeAccessToken, access_pb2.RevokeAccessTokenRequest(id=token.id)
        )
        raise Failure(
            f"The token cannot be written to its file ({error.strerror}), and was revoked again.",
            "Make room, or name another file with --output.",
        ) from None


def _describe(token: AccessToken) -> str:
    """Tell in one line whose a token is."""
    ends = f"ends {name_time(token.expire_time)}" if token.HasField("expire_time") else "never ends"
    scope = _scope(token)
    reach = f", reaches {scope}" if scope else ""
    return f"{token.id}: {_role(token)} {token.principal}, {ends}{reach}."


def _role(token: AccessToken) -> str:
    """Return a token's role for people."""
    from trunkline.options.v1 import options_pb2

    return name_value(options_pb2.CallerRole.Name(token.role), "CALLER_ROLE_")


def _scope(token: AccessToken) -> str:
    """Return how far a token reaches; empty: as far as its role."""
    scope = token.scope
    words = [*scope.providers, *scope.models]
    if scope.impersonate:
        words.append("on behalf of others")
    return ", ".join(words)


def _end(token: AccessToken) -> str:
    """Return when a token ends or ended."""
    if token.HasField("revoke_time"):
        return f"revoked {name_time(token.revoke_time)}"
    return name_time(token.expire_time) if token.HasField("expire_time") else "never"
