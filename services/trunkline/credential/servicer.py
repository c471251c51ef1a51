"""gRPC in and out: a request becomes a call of the domain, its result a response."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, TypeAlias, cast

from trunkline.credential import store
from trunkline.credential.access import Access
from trunkline.credential.content_keys import ContentKeys
from trunkline.credential.v1 import (
    access_pb2,
    access_pb2_grpc,
    credential_pb2,
    credential_service_pb2_grpc,
    resolve_pb2,
    save_pb2,
)
from trunkline.credential.vault import DEFAULT_LABEL, Draft, Vault, not_found
from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.call import current_caller
from trunkline.kernel.database import Database
from trunkline.kernel.errors import InvalidArgument, Violation
from trunkline.kernel.page_token import (
    DEFAULT_PAGE_SIZE,
    cut_page,
    decode_page_token,
    encode_page_token,
)
from trunkline.kernel.watch import Feed

Context: TypeAlias = Any  # the servicer never touches it; the interceptor does

_CREDENTIAL_KEY = re.compile(r"[a-z0-9-]{1,63}/cred_[0-9A-Za-z]{1,64}", re.ASCII)
_TOKEN_KEY = re.compile(r"tok_[0-9A-Za-z]{1,64}", re.ASCII)
_SESSION_TOKEN = re.compile(r"[\x21-\x7e]*", re.ASCII)

# What a secret that is brought in makes of its credential; headers alone authenticate too.
_KINDS: Final[Mapping[str | None, credential_pb2.CredentialKind.ValueType]] = {
    "api_key": credential_pb2.CREDENTIAL_KIND_API_KEY,
    "aws_keys": credential_pb2.CREDENTIAL_KIND_AWS_KEYS,
    "bearer_token": credential_pb2.CREDENTIAL_KIND_BEARER_TOKEN,
    None: credential_pb2.CREDENTIAL_KIND_HEADERS,
}


class CredentialServicer(credential_service_pb2_grpc.CredentialServiceServicer):
    """Serves CredentialService.

    Args:
        vault: saves, releases and removes.
        content_keys: releases keys to seal content with.
        database: is read for what is only looked at.
        feed: of credentials.
    """

    def __init__(
        self, vault: Vault, content_keys: ContentKeys, database: Database, feed: Feed
    ) -> None:
        self._vault = vault
        self._content_keys = content_keys
        self._database = database
        self._feed = feed

    async def SaveApiKey(
        self, request: save_pb2.SaveApiKeyRequest, context: Context
    ) -> save_pb2.SaveApiKeyResponse:
        """Prove a key, then save it."""
        kind = _KINDS.get(request.WhichOneof("secret"))
        if kind is None or (kind == credential_pb2.CREDENTIAL_KIND_HEADERS and not request.headers):
            raise InvalidArgument(
                "WRONG_SECRET_KIND",
                "Neither a key, a token nor a header came with the request.",
                metadata={"provider": request.provider, "expected": "api_key"},
            )
        secret = provider_pb2.ProviderSecret(
            headers=request.headers,
            organization=request.organization,
            project=request.project,
        )
        if request.HasField("api_key"):
            secret.api_key = request.api_key
        elif request.HasField("bearer_token"):
            secret.bearer_token.CopyFrom(request.bearer_token)
        elif request.HasField("aws_keys"):
            _check_session_token(request.aws_keys.session_token)
            secret.aws_keys.CopyFrom(request.aws_keys)
        credential = await self._vault.save(
            Draft(
                provider=request.provider,
                kind=kind,
                secret=secret,
                base_url=request.base_url,
                purpose=provider_pb2.PROBE_PURPOSE_PROVE_KEY,
                allow_unverified=request.allow_unverified,
                label=request.label or DEFAULT_LABEL,
                rank=request.rank,
            )
        )
        return save_pb2.SaveApiKeyResponse(credential=credential)

    async def SaveLocalEndpoint(
        self, request: save_pb2.SaveLocalEndpointRequest, context: Context
    ) -> save_pb2.SaveLocalEndpointResponse:
        """Reach a server that needs no key, then save its address."""
        secret = provider_pb2.ProviderSecret()
        if request.api_key:
            secret.api_key = request.api_key
        credential = await self._vault.save(
            Draft(
                provider=request.provider,
                kind=credential_pb2.CREDENTIAL_KIND_LOCAL_ENDPOINT,
                secret=secret,
                base_url=request.base_url,
                purpose=provider_pb2.PROBE_PURPOSE_LIST_MODELS,
                allow_unverified=request.allow_unverified,
            )
        )
        return save_pb2.SaveLocalEndpointResponse(credential=credential)

    async def GetCredential(
        self, request: save_pb2.GetCredentialRequest, context: Context
    ) -> save_pb2.GetCredentialResponse:
        """Give one credential without its secret."""
        async with self._database.read() as session:
            found = await store.find(session, request.id)
        if found is None:
            raise not_found(request.id)
        return save_pb2.GetCredentialResponse(credential=found.credential)

    async def ListCredentials(
        self, request: save_pb2.ListCredentialsRequest, context: Context
    ) -> save_pb2.ListCredentialsResponse:
        """Page through credentials without their secrets."""
        size = request.page_size or DEFAULT_PAGE_SIZE
        after = decode_page_token(request.page_token, _CREDENTIAL_KEY)
        async with self._database.read() as session:
            found = await store.page(session, provider=request.provider, after=after, size=size + 1)
        page, more = cut_page(found, size)
        return save_pb2.ListCredentialsResponse(
            credentials=page,
            next_page_token=encode_page_token(store.sort_key(page[-1])) if more else "",
        )

    async def DeleteCredential(
        self, request: save_pb2.DeleteCredentialRequest, context: Context
    ) -> save_pb2.DeleteCredentialResponse:
        """Remove a credential and its data key."""
        await self._vault.delete(request.id)
        return save_pb2.DeleteCredentialResponse()

    async def ResolveCredential(
        self, request: resolve_pb2.ResolveCredentialRequest, context: Context
    ) -> resolve_pb2.ResolveCredentialResponse:
        """Give the secret for one of the credential's origins."""
        return await self._vault.resolve(
            provider=request.provider,
            credential_id=request.credential_id,
            origin=request.origin,
        )

    async def GetContentKey(
        self, request: resolve_pb2.GetContentKeyRequest, context: Context
    ) -> resolve_pb2.GetContentKeyResponse:
        """Give a key to seal content with, or an earlier one to open it with."""
        return await self._content_keys.release(request.purpose, request.key_id)

    def WatchCredentials(
        self, request: resolve_pb2.WatchCredentialsRequest, context: Context
    ) -> AsyncIterator[resolve_pb2.WatchCredentialsResponse]:
        """Send which credentials exist, then every change."""
        # Changes come as the bytes that the outbox holds, which the listener passes on.
        return cast(
            AsyncIterator[resolve_pb2.WatchCredentialsResponse],
            self._feed.follow(request.after_revision),
        )


def _check_session_token(token: str) -> None:
    """Refuse a token that is none: it goes into a header, and its field bounds its length only.

    Raises:
        InvalidArgument: INVALID_REQUEST naming it.
    """
    if not _SESSION_TOKEN.fullmatch(token):
        raise InvalidArgument.of(
            Violation("aws_keys.session_token", "has characters beyond printable ASCII")
        )


class AccessServicer(access_pb2_grpc.AccessServiceServicer):
    """Serves AccessService.

    Args:
        access: issues and ends tokens.
        feed: of access tokens.
    """

    def __init__(self, access: Access, feed: Feed) -> None:
        self._access = access
        self._feed = feed

    async def IssueAccessToken(
        self, request: access_pb2.IssueAccessTokenRequest, context: Context
    ) -> access_pb2.IssueAccessTokenResponse:
        """Make a token and show it, this once."""
        entry, token = await self._access.issue(request)
        return access_pb2.IssueAccessTokenResponse(access_token=entry, token=token)

    async def RevokeAccessToken(
        self, request: access_pb2.RevokeAccessTokenRequest, context: Context
    ) -> access_pb2.RevokeAccessTokenResponse:
        """End a token."""
        entry = await self._access.revoke(request.id, current_caller())
        return access_pb2.RevokeAccessTokenResponse(access_token=entry)

    async def ListAccessTokens(
        self, request: access_pb2.ListAccessTokensRequest, context: Context
    ) -> access_pb2.ListAccessTokensResponse:
        """Page through tokens, newest first."""
        size = request.page_size or DEFAULT_PAGE_SIZE
        found = await self._access.page(
            current_caller(),
            principal=request.principal,
            include_ended=request.include_ended,
            before=decode_page_token(request.page_token, _TOKEN_KEY),
            size=size + 1,
        )
        page, more = cut_page(found, size)
        return access_pb2.ListAccessTokensResponse(
            access_tokens=page,
            next_page_token=encode_page_token(page[-1].id) if more else "",
        )

    def WatchAccess(
        self, request: access_pb2.WatchAccessRequest, context: Context
    ) -> AsyncIterator[access_pb2.WatchAccessResponse]:
        """Send which tokens hold, by hash, then every change."""
        return cast(
            AsyncIterator[access_pb2.WatchAccessResponse],
            self._feed.follow(request.after_revision),
        )
