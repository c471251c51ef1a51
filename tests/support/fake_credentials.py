"""Credentials and access tokens in memory, and a provider that knows its keys."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from support.fake_catalog import NOW, FakeCatalog
from trunkline.credential.v1 import (
    access_pb2,
    access_pb2_grpc,
    credential_pb2,
    credential_service_pb2_grpc,
    save_pb2,
)
from trunkline.inference.v1 import failure_pb2, provider_pb2
from trunkline.kernel.clock import timestamp
from trunkline.kernel.errors import FailedPrecondition, NotFound, Unavailable

GOOD_KEY = "sk-canary-cli-good"


class FakeCredentials(credential_service_pb2_grpc.CredentialServiceServicer):
    """Saves what the provider accepts.

    Args:
        catalog: hears of every key.
    """

    def __init__(self, catalog: FakeCatalog) -> None:
        self._catalog = catalog
        self.credentials: dict[str, credential_pb2.Credential] = {}
        self.is_provider_up = True
        self.provider_words = "Incorrect API key provided."

    def add(self, provider: str, **fields: Any) -> credential_pb2.Credential:
        """Have a credential, in the place of an earlier one of its label."""
        fields.setdefault("kind", credential_pb2.CREDENTIAL_KIND_API_KEY)
        fields.setdefault("state", credential_pb2.CREDENTIAL_STATE_VERIFIED)
        label = fields.pop("label", "") or "default"
        identifier, version = f"cred_{len(self.credentials) + 1}", 1
        for each in self.credentials.values():
            if (each.provider, each.label) == (provider, label):
                identifier, version = each.id, each.version + 1
        self.credentials[identifier] = credential_pb2.Credential(
            id=identifier, provider=provider, version=version, label=label, **fields
        )
        return self.credentials[identifier]

    def SaveApiKey(self, request: Any, context: Any) -> save_pb2.SaveApiKeyResponse:
        """Save a key that the provider accepts."""
        signs = request.aws_keys.secret_access_key == GOOD_KEY
        is_accepted = signs or request.api_key == GOOD_KEY or bool(request.headers)
        state = self._prove(request, is_accepted)
        credential = self.add(
            request.provider,
            state=state,
            base_url=request.base_url,
            organization=request.organization,
            project=request.project,
            label=request.label,
            rank=request.rank,
        )
        return save_pb2.SaveApiKeyResponse(credential=credential)

    def SaveLocalEndpoint(self, request: Any, context: Any) -> save_pb2.SaveLocalEndpointResponse:
        """Save an address that answers."""
        state = self._prove(request, is_accepted=True)
        kind = credential_pb2.CREDENTIAL_KIND_LOCAL_ENDPOINT
        credential = self.add(request.provider, state=state, kind=kind, base_url=request.base_url)
        return save_pb2.SaveLocalEndpointResponse(credential=credential)

    def ListCredentials(self, request: Any, context: Any) -> save_pb2.ListCredentialsResponse:
        """Give the credentials of one provider or of all."""
        return save_pb2.ListCredentialsResponse(
            credentials=[
                each
                for each in self.credentials.values()
                if request.provider in ("", each.provider)
            ]
        )

    def DeleteCredential(self, request: Any, context: Any) -> save_pb2.DeleteCredentialResponse:
        """Forget a credential; the catalog hears of it a moment later."""
        if request.id not in self.credentials:
            raise NotFound("CREDENTIAL_NOT_FOUND", f"There is no credential {request.id}.")
        del self.credentials[request.id]
        self._catalog.late_credentials.add(f"credentials/{request.id}")
        return save_pb2.DeleteCredentialResponse()

    def _prove(self, request: Any, is_accepted: bool) -> Any:
        """Ask the provider; return the credential's state.

        Raises:
            NotFound: there is no such provider.
            FailedPrecondition: it refuses.
            Unavailable: it cannot be asked.
        """
        if request.provider not in self._catalog.providers:
            raise NotFound(
                "PROVIDER_NOT_FOUND",
                f"There is no provider {request.provider}.",
                metadata={"provider": request.provider},
            )
        if not self.is_provider_up:
            if request.allow_unverified:
                self._catalog.hear_of_key(request.provider, verified=False)
                return credential_pb2.CREDENTIAL_STATE_UNVERIFIED
            raise Unavailable(
                "VERIFICATION_IMPOSSIBLE",
                f"The provider {request.provider} cannot be reached.",
                metadata={"provider": request.provider, "verdict": "UNREACHABLE"},
                details=(
                    provider_pb2.Verification(
                        verdict=provider_pb2.VERDICT_UNREACHABLE, message="Nothing answers there."
                    ),
                ),
            )
        if not is_accepted:
            reply = failure_pb2.ProviderReply(
                http_status=401, code="invalid_api_key", message=self.provider_words
            )
            raise FailedPrecondition(
                "VERIFICATION_FAILED",
                f"The provider {request.provider} does not accept the key.",
                metadata={
                    "provider": request.provider,
                    "verdict": "REVOKED",
                    "http_status": "401",
                },
                details=(
                    provider_pb2.Verification(
                        verdict=provider_pb2.VERDICT_REVOKED,
                        message="The provider does not know the key.",
                        reply=reply,
                    ),
                ),
            )
        self._catalog.hear_of_key(request.provider, verified=True)
        return credential_pb2.CREDENTIAL_STATE_VERIFIED


class FakeAccess(access_pb2_grpc.AccessServiceServicer):
    """Access tokens that open nothing."""

    def __init__(self) -> None:
        self.tokens: dict[str, access_pb2.AccessToken] = {}

    def IssueAccessToken(self, request: Any, context: Any) -> access_pb2.IssueAccessTokenResponse:
        """Make a token."""
        token = access_pb2.AccessToken(
            id=f"tok_{len(self.tokens) + 1}",
            principal=request.principal,
            role=request.role,
            description=request.description,
            create_time=timestamp(NOW),
        )
        if request.HasField("scope"):
            token.scope.CopyFrom(request.scope)
        if request.HasField("lifetime"):
            end = Timestamp(seconds=NOW // 10**9 + request.lifetime.seconds)
            token.expire_time.CopyFrom(end)
        self.tokens[token.id] = token
        return access_pb2.IssueAccessTokenResponse(
            access_token=token, token=f"tl_secret-of-{token.id}"
        )

    def ListAccessTokens(self, request: Any, context: Any) -> access_pb2.ListAccessTokensResponse:
        """Give the tokens that hold, or all."""
        return access_pb2.ListAccessTokensResponse(
            access_tokens=[
                token
                for token in self.tokens.values()
                if request.principal in ("", token.principal)
                and (request.include_ended or not token.HasField("revoke_time"))
            ]
        )

    def RevokeAccessToken(self, request: Any, context: Any) -> access_pb2.RevokeAccessTokenResponse:
        """End a token."""
        if request.id not in self.tokens:
            raise NotFound("TOKEN_NOT_FOUND", f"There is no access token {request.id}.")
        self.tokens[request.id].revoke_time.CopyFrom(timestamp(NOW))
        return access_pb2.RevokeAccessTokenResponse(access_token=self.tokens[request.id])
