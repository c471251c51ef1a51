"""What a server answered instead of what was asked for, as failures that tell what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from trunkline.cli.failures import ExitCode, Failure
from trunkline.cli.text import join
from trunkline.inference.v1 import failure_pb2, provider_pb2, result_pb2
from trunkline.kernel.status import error_info, find_detail

# What to do, by reason. Metadata fill the places; one that did not come stands there in
# capitals, as in a command's help.
_ADVICE: Final = {
    "TOKEN_MISSING": "Set TRUNKLINE_TOKEN to an access token of this deployment.",
    "TOKEN_INVALID": (
        "Set TRUNKLINE_TOKEN to a token that holds; an admin makes one with"
        " `trunkline token issue PRINCIPAL`."
    ),
    "CALLER_NOT_ALLOWED": "Ask an admin to do it, or use an admin's token.",
    "OUT_OF_SCOPE": "Use a token that reaches it, or ask for another model.",
    "INVALID_REQUEST": "Mend what is named, and try again.",
    "INTERNAL": "The server's log has it under {request_id}.",
    "NOT_SERVING": "Wait a moment and try again.",
    "SECURITY_VIEW_STALE": "Look whether the credential service runs, and try again.",
    "PEER_UNAVAILABLE": "Look whether the {peer} service runs, and try again.",
    "PROBE_UNAVAILABLE": "Look whether the inference service runs, and try again.",
    "LIMIT_REACHED": "Wait a moment and try again.",
    "PROVIDER_NOT_FOUND": "`trunkline status` lists the providers that there are.",
    "CHAIN_NOT_FOUND": "`trunkline chain list` lists the chains that there are.",
    "TYPE_NOT_FOUND": "`trunkline connect`, on a terminal, lists what can be connected.",
    "NAME_TAKEN": "Choose another name.",
    "STILL_REFERRED_TO": "Remove what refers to it first.",
    "ETAG_MISMATCH": "Look at what it is now, and try again.",
    "NOT_VERIFIED": "Save a key that its provider accepts: `trunkline connect {provider}`.",
    "ADDRESS_REFUSED": "Give another address with --base-url.",
    "NO_MODEL_PICKED": "Name at least one with --model.",
    "LIST_UNAVAILABLE": "`trunkline status` tells how the provider fares; try again later.",
    "CREDENTIAL_NOT_FOUND": "`trunkline status` lists the credentials that there are.",
    "VERIFICATION_FAILED": "Nothing was saved; try again with a key that the provider accepts.",
    "VERIFICATION_IMPOSSIBLE": (
        "Nothing was saved; try again later, or save it untried with --allow-unverified."
    ),
    "WRONG_SECRET_KIND": "This provider takes: {expected}.",
    "SEAL_BROKEN": "Save the key again: `trunkline connect {provider}`.",
    "ORIGIN_CHANGED": "Save the key again for the new address: `trunkline connect {provider}`.",
    "TOKEN_NOT_FOUND": "`trunkline token list` lists the tokens that there are.",
    "REPLACES_OTHER_PRINCIPAL": "Name the principal of the token that is replaced.",
    "LAST_ADMIN_TOKEN": (
        "Issue another admin token first: `trunkline token issue PRINCIPAL --role admin`."
    ),
    "RUN_NOT_FOUND": (
        "It ended too long ago, belongs to another, or its server was restarted; ask again."
    ),
    "EVENTS_TRIMMED": (
        "The first event that is kept is {first_sequence}: resume just before it, or ask again."
    ),
    "SEQUENCE_AHEAD": "Resume after a smaller number, at most {last_sequence}.",
    "NO_PROVIDER": "Connect one with `trunkline connect`.",
    "NO_CREDENTIAL": "Save its key: `trunkline connect {provider}`.",
    "PROVIDER_UNAUTHORIZED": "Save a key that it accepts: `trunkline connect {provider}`.",
    "PROVIDER_QUOTA": "Settle the account with the provider, or ask another model.",
    "PROVIDER_REJECTED": "Change what is asked, or ask another model.",
    "CONTENT_FILTERED": "Change what is asked, or ask another model.",
    "CONTEXT_TOO_LONG": "Shorten what is asked, or ask a model with a larger window.",
    "NO_CAPABLE_CANDIDATE": "Ask a model that can do it; `trunkline models` lists what they can.",
    "NO_FALLBACK": "Try again, or ask another model; `trunkline status` tells how providers fare.",
    "ALL_CANDIDATES_EXHAUSTED": "Try again later; `trunkline status` tells how providers fare.",
    "RUN_CANCELLED": "Ask again if that was not meant.",
    "RUN_TIMED_OUT": "Ask for a shorter answer, or another model.",
}
_ADVICE_BY_CODE: Final = {
    grpc.StatusCode.UNIMPLEMENTED: "Use a command line and a server of the same release.",
    grpc.StatusCode.UNAVAILABLE: "Try again in a moment.",
}
# What gRPC says of a connection that did not come about, by words of it: what that means
# and what to do.
_HANDSHAKES: Final = (
    (
        "certificate has expired",
        "The certificate of the server at {address} has ended, or a clock is wrong.",
        "Renew it there, and look at the clocks.",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "The certificate of the server at {address} is of no authority that is trusted here.",
        "Name the file of its authority with TRUNKLINE_CA_FILE; `trunkline pki init` calls it"
        " ca.pem.",
    ),
    (
        "Hostname Verification",
        "The certificate of the server at {address} is for another name.",
        "Call it by a name that it is for, or make one with `trunkline pki init --name`.",
    ),
    (
        "WRONG_VERSION_NUMBER",
        "The server at {address} does not speak TLS.",
        "Unset TRUNKLINE_CA_FILE for a server on this machine, or name the right address.",
    ),
    (
        "security handshaker",
        "The certificates of the file that TRUNKLINE_CA_FILE names cannot be read.",
        "Name the file `ca.pem` that `trunkline pki init` wrote, or that of your authority.",
    ),
    (
        "Socket closed",
        "What listens at {address} closed the connection.",
        "Name the right address; for a server that speaks TLS, name the file of its authority"
        " with TRUNKLINE_CA_FILE.",
    ),
)
_NOT_ALLOWED: Final = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_MAX_DETAILS: Final = 32


class _Blanks(dict[str, str]):
    """Metadata in which what did not come stands in capitals."""

    def __missing__(self, key: str) -> str:
        return key.upper()


def read_refusal(error: grpc.RpcError, address: str, token_source: str) -> Failure:
    """Return the failure that a failed call means.

    Args:
        error: as grpc raised it.
        address: that was called, `host:port`.
        token_source: where the access token came from, in words.
    """
    call = cast(grpc.Call, error)  # every error that a call raises is that call, by grpc's docs
    code = call.code()
    status = read_status(call)
    info = error_info(status) if status is not None else None
    if status is None or info is None:
        return _read_bare(code, call.details() or "", address)
    metadata = dict(info.metadata)
    if "provider" not in metadata and "model" in metadata:
        metadata["provider"] = metadata["model"].partition("/")[0]
    details = _describe(status, metadata)
    if info.reason in ("TOKEN_MISSING", "TOKEN_INVALID"):
        details.append(f"The token came from {token_source}.")
    advice = _advise(info.reason, code, metadata)
    # Some sentences end with the advice, for callers who see nothing else.
    what = _sentence(status.message).removesuffix(advice).rstrip()
    exit_code = ExitCode.NOT_ALLOWED if code in _NOT_ALLOWED else ExitCode.FAILED
    if info.reason == "INVALID_REQUEST":
        what, exit_code = "The server takes the request for wrong.", ExitCode.USAGE
    elif info.reason == "MODEL_NOT_FOUND" and metadata.get("model"):
        what = f"There is no model {metadata['model']}."
    return Failure(
        what or _sentence(status.message),
        advice,
        exit_code=exit_code,
        reason=info.reason,
        code=code.name,
        metadata=metadata,
        details=tuple(details[:_MAX_DETAILS]),
    )


def read_status(error: grpc.Call) -> status_pb2.Status | None:
    """Return the rich status of a failed call; None when it carries none."""
    try:
        status: status_pb2.Status | None = rpc_status.from_call(error)
    except ValueError:
        return None
    return status


def _read_bare(code: grpc.StatusCode, text: str, address: str) -> Failure:
    """Return the failure for a status that gRPC itself made up."""
    metadata = {"address": address, "detail": text}
    if code is grpc.StatusCode.UNAVAILABLE:
        what, advice = (
            "Nothing answers gRPC at {address}.",
            "Start `trunkline up`, or name the right address with --address or TRUNKLINE_ADDRESS.",
        )
        for words, *told in _HANDSHAKES:
            if words in text:
                what, advice = told
                break
        return Failure(
            what.format(address=address),
            advice,
            exit_code=ExitCode.UNREACHABLE,
            reason="UNREACHABLE",
            code=code.name,
            metadata=metadata,
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Failure(
            f"The server at {address} did not answer in time.",
            "Look at its log, and try again.",
            exit_code=ExitCode.UNREACHABLE,
            reason="UNREACHABLE",
            code=code.name,
            metadata=metadata,
        )
    return Failure(
        f"The server at {address} answered {code.name}: {_sentence(text or 'without a word')}",
        _ADVICE_BY_CODE.get(code, "Look at its log, and try again."),
        exit_code=ExitCode.NOT_ALLOWED if code in _NOT_ALLOWED else ExitCode.FAILED,
        reason=code.name,
        code=code.name,
        metadata=metadata,
    )


def _advise(reason: str, code: grpc.StatusCode, metadata: Mapping[str, str]) -> str:
    """Return what to do about a reason."""
    if metadata.get("advice"):
        return _sentence(metadata["advice"])
    if reason == "MODEL_NOT_FOUND":
        nearest = [name for name in metadata.get("nearest", "").split(",") if name]
        hint = f"Did you mean {join(nearest)}? " if nearest else ""
        return f"{hint}`trunkline models` lists what there is."
    if reason == "NO_PROVIDER" and metadata.get("options"):
        return f"Connect one with `trunkline connect`: {join(metadata['options'].split(','))}."
    advice = _ADVICE.get(reason) or _ADVICE_BY_CODE.get(code, _ADVICE["INTERNAL"])
    return advice.format_map(_Blanks(metadata))


def _describe(status: status_pb2.Status, metadata: dict[str, str]) -> list[str]:
    """Return what a status's details say, a line each, and add to the metadata for programs."""
    lines = []
    wait = find_detail(status.details, error_details_pb2.RetryInfo())
    if wait is not None and wait.retry_delay.ToMilliseconds() > 0:
        lines.append(f"It may be tried again in {wait.retry_delay.ToMilliseconds() / 1000:g} s.")
    request = find_detail(status.details, error_details_pb2.BadRequest())
    if request is not None:
        lines += [
            f"{each.field}: {each.description}"
            for each in request.field_violations
            # The sentence of a single violation begins with its field, that of another
            # reason may be the description itself.
            if each.description not in status.message or status.message.startswith(each.field)
        ]
    state = find_detail(status.details, error_details_pb2.PreconditionFailure())
    if state is not None:
        lines += [f"{each.subject}: {each.description}" for each in state.violations]
    elif metadata.get("referrers"):
        lines += [f"referred to by {name}" for name in metadata["referrers"].split(",")]
    verification = find_detail(status.details, provider_pb2.Verification())
    if verification is not None:
        lines += _describe_verification(verification, status.message, metadata)
    trail = find_detail(status.details, result_pb2.AttemptTrail())
    if trail is not None:
        for attempt in trail.attempts:
            lines += _describe_attempt(attempt)
        lines += [f"{skipped.model} was not asked: {skipped.detail}" for skipped in trail.skipped]
    return lines


def _describe_verification(
    verification: provider_pb2.Verification, told: str, metadata: dict[str, str]
) -> list[str]:
    """Return what a round trip to a provider said about a key, beyond what is told already."""
    verdict = provider_pb2.Verdict.Name(verification.verdict).removeprefix("VERDICT_")
    metadata.setdefault("verdict", verdict)
    why = "" if verification.message in told else f" ({verification.message})"
    lines = [f"verdict: {verdict}{why}"]
    words = describe_reply(verification.reply)
    if words:
        metadata["provider_message"] = verification.reply.message or verification.reply.body
        lines.append(words)
    return lines


def _describe_attempt(attempt: result_pb2.Attempt) -> list[str]:
    """Return how one attempt ended."""
    failure = attempt.failure
    kind = failure_pb2.ErrorKind.Name(failure.kind).removeprefix("ERROR_KIND_")
    line = f"attempt {attempt.number}, {attempt.model}: {kind}"
    if failure.message:
        line += f" ({failure.message})"
    words = describe_reply(failure.reply)
    return [line, words] if words else [line]


def describe_reply(reply: failure_pb2.ProviderReply) -> str:
    """Return a provider's own words in one line; empty when it said nothing that may be shown."""
    about = [f"HTTP {reply.http_status}"] if reply.http_status else []
    if reply.code:
        about.append(reply.code)
    words = reply.message or reply.body
    if not about and not words:
        return ""
    where = f" ({', '.join(about)})" if about else ""
    return f"the provider says{where}: {words or 'nothing'}"


def _sentence(text: str) -> str:
    """Return a text with a full stop at its end, if it has no other."""
    text = text.strip()
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
