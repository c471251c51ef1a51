"""What is to be connected: as the options say it, made whole by what the catalog knows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from trunkline.catalog.v1 import provider_pb2
from trunkline.cli.aws import read_aws
from trunkline.cli.entry import Secret, ask, is_terminal, pick, read_secrets
from trunkline.cli.failures import wrong_usage
from trunkline.cli.output import note
from trunkline.cli.text import join
from trunkline.inference.v1.provider_pb2 import AwsKeys


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be connected, as the command's options say it.

    Attributes:
        provider: its name; empty: to be picked.
        type: of a provider that is made; empty: by its name or address.
        base_url: its address; empty: the type's.
        local: it needs no key.
        allow_unverified: save what cannot be tried.
        models: of a provider that is made, as it calls them.
        organization: sent with every request; empty: none.
        project: sent with every request; empty: none.
        headers: names of further headers that authenticate.
        label: which of several keys it is; empty: the default one.
        rank: its place among them; None: as it was, or 0.
    """

    provider: str
    type: str
    base_url: str
    local: bool
    allow_unverified: bool
    models: tuple[str, ...]
    organization: str
    project: str
    headers: tuple[str, ...]
    label: str
    rank: int | None


def pick_provider(wish: Wish, types: dict[str, provider_pb2.ProviderType]) -> Wish:
    """Let a person pick what to connect.

    Raises:
        Failure: there is nobody at a terminal.
    """
    if not is_terminal():
        raise wrong_usage(
            "The provider to connect is not named.",
            f"Name one: `trunkline connect NAME`; types are {join(sorted(types))}.",
        )
    name = pick("What do you want to connect?", [(name, _hint(types[name])) for name in types])
    chosen = replace(wish, provider=name, type=wish.type or name)
    if not types[name].base_url and not wish.base_url:
        chosen = replace(
            chosen,
            provider=ask("Its name here, for provider/model", name),
            base_url=ask("Its address, such as https://host/v1"),
        )
    if types[name].hint:
        note(types[name].hint)
    return chosen


def _hint(kind: provider_pb2.ProviderType) -> str:
    """Return what is to be known of a type in one line."""
    connected = " (connected)" if kind.providers else ""
    return f"{kind.display_name}{connected}: {kind.good_for}"


def choose_type(
    wish: Wish,
    types: dict[str, provider_pb2.ProviderType],
    existing: provider_pb2.Provider | None,
) -> provider_pb2.ProviderType | None:
    """Return the provider's type; None: the catalog recognises it by the address.

    Raises:
        Failure: it cannot be told, or is not what it was.
    """
    if existing is not None:
        if wish.type and wish.type != existing.type:
            raise wrong_usage(
                f"{existing.name} is of the type {existing.type}, which never changes.",
                f"Leave out --type, or `trunkline disconnect {existing.name}` first.",
            )
        return types.get(existing.type)
    if wish.type and wish.type not in types:
        raise wrong_usage(
            f"There is no provider type {wish.type!r}.", f"Types are {join(sorted(types))}."
        )
    kind = types.get(wish.type or wish.provider)
    if not wish.base_url and (kind is None or not kind.base_url):
        what = f"{wish.provider!r} is no provider type" if kind is None else "It has no address"
        raise wrong_usage(
            f"{what}, and no address is given.",
            f"Add --base-url, or connect one of {join(sorted(types))}.",
        )
    return kind


def check_existing(wish: Wish, existing: provider_pb2.Provider) -> None:
    """Refuse what only counts for a provider that is made.

    Raises:
        Failure: models were named.
    """
    if wish.models:
        raise wrong_usage(
            f"{existing.name} exists, and models are named only when a provider is made.",
            f"Leave out --model, or `trunkline disconnect {existing.name}` first.",
        )


@dataclass(frozen=True, slots=True)
class Entered:
    """What authenticates, as it was entered.

    Attributes:
        is_local: a local endpoint.
        key: empty where none is needed.
        aws_keys: that sign, instead of a key.
        headers: values by name.
    """

    is_local: bool = False
    key: str = field(default="", repr=False)
    aws_keys: AwsKeys | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def read_key(wish: Wish, kind: provider_pb2.ProviderType | None) -> Entered:
    """Read what authenticates: a key, AWS keys, and headers.

    Raises:
        Failure: nothing was entered where something is needed, or what was makes no sense.
    """
    usual = kind.auth_kinds[0] if kind is not None and kind.auth_kinds else None
    is_local = wish.local or usual == provider_pb2.AUTH_KIND_LOCAL_ENDPOINT
    of_a_key = (wish.headers, wish.organization, wish.project, wish.label, wish.rank is not None)
    if is_local and any(of_a_key):
        raise wrong_usage(
            f"{wish.provider} needs no key, and so takes no --header, --organization, --project,"
            " --label or --rank.",
            "Leave them out.",
        )
    if wish.local:
        return Entered(is_local=True)
    if usual == provider_pb2.AUTH_KIND_AWS_KEYS and not wish.headers:
        secret = read_aws(wish.provider)
        return Entered(key=secret) if isinstance(secret, str) else Entered(aws_keys=secret)
    optional = " (empty: none)" if is_local or wish.headers else ""
    key, *values = read_secrets(
        [
            Secret(f"API key of {wish.provider}{optional}"),
            *(Secret(f"value of {name}", is_header=True) for name in wish.headers),
        ]
    )
    headers = dict(zip(wish.headers, values, strict=True))
    if not is_local and not key and not any(values):
        raise wrong_usage(
            f"No key was entered for {wish.provider}.",
            "Enter it at the prompt or pipe it in; a server that needs none takes --local.",
        )
    return Entered(is_local, key, headers=headers)
