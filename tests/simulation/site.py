"""What there is to ask, as catalog and credential tell it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import grpc

from simulation.provider import MODEL
from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.credential.v1 import credential_pb2
from trunkline.inference.v1 import chat_pb2, failure_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import Clock
from trunkline.options.v1 import options_pb2
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

FIRST: Final = "first"
SECOND: Final = "second"


class _NoLine:
    """A channel over which nobody is asked."""

    def unary_unary(self, path: str, **_: Any) -> None:
        """Call nothing."""

    unary_stream = unary_unary


class Site:
    """The same request, again and again, and the providers that it names.

    Args:
        providers: their names, in the order in which they are asked.
        clock: the time.

    Attributes:
        request: that everybody makes.
        caller: who makes it.
        catalog, credentials: the views of what there is.
    """

    def __init__(self, providers: Sequence[str], clock: Clock) -> None:
        line = cast(grpc.aio.Channel, _NoLine())
        self.catalog = CatalogView(line, clock)
        self.credentials = CredentialView(line, clock, max_staleness_s=30.0)
        for name in providers:
            endpoint = provider_pb2.ProviderEndpoint(base_url=f"https://{name}.example/v1")
            provider = provider_pb2.Provider(name=name, enabled=True, endpoint=endpoint)
            self.catalog.change("provider", provider)
            model = model_pb2.Model(name=f"{name}/{MODEL}", enabled=True)
            self.catalog.change("model", model)
            key = credential_pb2.Credential(
                id=f"cred_{name}",
                provider=name,
                scope=failure_pb2.CREDENTIAL_SCOPE_CENTRAL,
                version=1,
            )
            self.credentials.change("credential", key)
        first, *others = (f"{name}/{MODEL}" for name in providers)
        self.request = chat_pb2.ChatRequest(model=first, fallbacks=others)
        self.caller = Caller(options_pb2.CALLER_ROLE_DEVELOPER, "app")
