"""Read what AWS says when it fails.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html and
https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization: the
code stands in a header, or in the body, and may have a namespace before it and an address behind.
"""

from __future__ import annotations

from typing import Any, Final

import httpx

from trunkline.inference.adapters.bedrock.frames import EventMessage
from trunkline.inference.adapters.values import load
from trunkline.inference.adapters.words import Words, words_text

_HEADER: Final = "x-amzn-errortype"
_CODES: Final = ("__type", "code", "Code")
_MESSAGES: Final = ("message", "Message", "errorMessage")


def read_words(body: bytes) -> Words | None:
    """Read the body of an error reply, or what stands in the place of an answer.

    Returns:
        None when the bytes are no JSON, or JSON that speaks of no error.
    """
    try:
        said = load(body)
    except ValueError:
        return None
    if not isinstance(said, dict) or "output" in said:
        return None
    message = next((said[key] for key in _MESSAGES if said.get(key)), None)
    codes = tuple(code for key in _CODES if (code := bare_code(said.get(key))))
    if message is None and not codes:
        return None
    return Words(message=words_text(message), codes=codes)


def refusal_words(headers: httpx.Headers, body: bytes) -> Words:
    """Read a refusal, whose header says more of it than its body."""
    words = read_words(body) or Words()
    code = bare_code(headers.get(_HEADER))
    codes = tuple(dict.fromkeys(filter(None, (code, *words.codes))))
    return Words(message=words.message, codes=codes)


def message_words(message: EventMessage) -> Words | None:
    """Read a message of a stream; None when it is no failure.

    A failure that the service knows is an exception; an error is what it does not know.
    """
    headers = message.headers
    match headers.get(":message-type"):
        case "exception":
            words = read_words(message.payload) or Words()
            code = bare_code(headers.get(":exception-type"))
            return Words(message=words.message, codes=(code, *words.codes) if code else words.codes)
        case "error":
            code = bare_code(headers.get(":error-code"))
            return Words(message=headers.get(":error-message", ""), codes=(code,) if code else ())
    return None


def bare_code(code: Any) -> str:
    """Return a code without namespace and address: `ns#ThrottlingException:http://…`."""
    if not isinstance(code, str):
        return ""
    return code.partition(":")[0].rpartition("#")[2].strip()
