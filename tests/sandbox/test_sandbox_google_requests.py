"""Requests of the Gemini API are checked as the real service checks them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sandbox.faces import ask_face, headers_of
from sandbox.rawhttp import connect, request
from trunkline.sandbox.server import Sandbox
from trunkline.sandbox.signatures import sign

SIGNATURE = sign("google", "ok", "f")
DUMMY = "skip_thought_signature_validator"
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n a picture").decode()


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    """Write a user's content."""
    return {"role": "user", "parts": [*parts]}


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    """Write a model's content."""
    return {"role": "model", "parts": [*parts]}


def call(name: str = "f", signature: str | None = None) -> dict[str, Any]:
    """Write a function call."""
    signed = {} if signature is None else {"thoughtSignature": signature}
    return {"functionCall": {"name": name, "args": {}}, **signed}


def response(name: str = "f", said: Any = None) -> dict[str, Any]:
    """Write a function response."""
    return {"functionResponse": {"name": name, "response": said or {"output": "42"}}}


def blob(data: str, kind: str = "image/png") -> dict[str, Any]:
    """Write inline data."""
    return {"inlineData": {"mimeType": kind, "data": data}}


def declare(*declarations: dict[str, Any]) -> dict[str, Any]:
    """Offer functions."""
    return {"tools": [{"functionDeclarations": [*declarations]}]}


def choose(mode: str, *names: str) -> dict[str, Any]:
    """Choose among functions."""
    config = {"mode": mode, "allowedFunctionNames": [*names]}
    return {"toolConfig": {"functionCallingConfig": config}}


def config(**fields: Any) -> dict[str, Any]:
    """Configure the answer."""
    return {"generationConfig": fields}


def schema(**fields: Any) -> dict[str, Any]:
    """Ask for an answer that fits a schema of the vendor's own dialect."""
    return config(responseMimeType="application/json", responseSchema=fields)


HI = {"text": "Hi"}
ASKED = user(HI)
CALLED = model(call(signature=SIGNATURE))

WRONG: list[tuple[dict[str, Any], str]] = [
    # fields of the request, and what the error says
    ({"messages": []}, 'Unknown name "messages": Cannot find field.'),
    ({"contents": []}, "contents is not specified"),
    ({"contents": "Hi"}, "Invalid value at 'contents', expected a list"),
    ({"contents": [user({"txt": "Hi"})]}, "Unknown name \"txt\" at 'contents[0].parts[0]'"),
    ({"contents": [{"role": "assistant", "parts": [HI]}]}, "Please use a valid role: user, model."),
    ({"contents": [{"role": "user"}]}, "contents.parts must not be empty"),
    ({"contents": [user({})]}, "required oneof field 'data' must have one initialized field"),
    ({"contents": [user({**HI, **call()})]}, "oneof field 'data' is already set"),
    ({"contents": [user({"text": 7})]}, "(TYPE_STRING), 7"),
    ({"contents": [user(call())]}, "function call turns are of the role model"),
    ({"contents": [user(blob("AAAA", "image/gif"))]}, "Unsupported MIME type: image/gif"),
    ({"contents": [user(blob("no base64"))]}, "Base64 decoding failed"),
    ({"contents": [user(blob("AAAA"))]}, "Unable to process input image"),
    ({"contents": [user({"fileData": {"mimeType": "image/png"}})]}, "file_uri: is required"),
    ({"contents": [ASKED, model(call()), user(response())]}, "missing a thought_signature"),
    (
        {"contents": [ASKED, model(call(signature="AAAA")), user(response())]},
        "Corrupted thought signature",
    ),
    (
        {"contents": [ASKED, model({"text": "So", "thoughtSignature": SIGNATURE}), ASKED]},
        "Corrupted thought signature",
    ),
    ({"contents": [ASKED, CALLED]}, "function call turn comes immediately before"),
    ({"contents": [ASKED, CALLED, ASKED]}, "number of function response parts is equal"),
    ({"contents": [ASKED, user(response())]}, "number of function response parts is equal"),
    (
        {"contents": [ASKED, model(call(signature=SIGNATURE), call()), user(response())]},
        "number of function response parts is equal",
    ),
    ({"contents": [ASKED, CALLED, user(response("g"))]}, "has the name of its function call"),
    (
        {"contents": [ASKED, CALLED, user(response(said={"$ref": "x"}))]},
        "'$ref' does not name a part",
    ),
    (
        {
            "contents": [
                ASKED,
                CALLED,
                user({"functionResponse": {"name": "f", "response": "42"}}),
            ]
        },
        "function_response.response', expected an object",
    ),
    ({"systemInstruction": {"parts": [blob(PIXEL)]}}, 'Unknown name "inlineData"'),
    ({"cachedContent": "cachedContents/x"}, "CachedContent not found"),
    ({"safetySettings": [{"category": "HARM"}]}, "threshold: must be set"),
    (declare({"name": "1st"}), "Invalid function name"),
    (declare({"name": "f"}, {"name": "f"}), "Duplicate function declaration found: f"),
    (
        declare({"name": "f", "parameters": {}, "parametersJsonSchema": {}}),
        "are mutually exclusive",
    ),
    (
        declare({"name": "f", "parameters": {"type": "object", "additionalProperties": False}}),
        'Unknown name "additionalProperties"',
    ),
    (declare({"name": "f", "parameters": {"$ref": "#"}}), 'Unknown name "$ref"'),
    (declare({"name": "f", "parameters": {"type": ["string", "null"]}}), "(TYPE_ENUM)"),
    (
        declare({"name": "f", "parameters": {"type": "INTEGER", "enum": [1]}}),
        "enum: only allowed for STRING type",
    ),
    (
        declare({"name": "f", "parameters": {"properties": {"a b": {"type": "STRING"}}}}),
        "invalid property name 'a b'",
    ),
    (
        declare({"name": "f", "parameters": {"type": "OBJECT", "required": ["a"]}}),
        "required: property is not defined",
    ),
    ({"tools": [{"googleSearch": {}}]}, "no server tools"),
    (choose("AUTO"), "set without function_declarations"),
    ({**declare({"name": "f"}), **choose("SOME")}, "(TYPE_ENUM)"),
    ({**declare({"name": "f"}), **choose("AUTO", "f")}, "only when mode is ANY"),
    ({**declare({"name": "f"}), **choose("ANY", "g")}, "a function that is not declared"),
    (config(maxTokens=5), "Unknown name \"maxTokens\" at 'generation_config'"),
    (config(maxOutputTokens=0), "must be in the range [1, 65536]"),
    (config(maxOutputTokens="5"), "(TYPE_INT32), 5"),
    (config(temperature=2.5), "must be in the range [0, 2]"),
    (config(stopSequences=["a"] * 6), "at most 5 stop sequences"),
    (config(stopSequences=[""]), "must hold strings that are not empty"),
    (config(candidateCount=2), "Multiple candidates is not enabled"),
    (config(responseLogprobs=True), "Logprobs is not enabled"),
    (config(responseModalities=["IMAGE"]), "combination of response modalities"),
    (config(responseMimeType="text/html"), "allowed mimetypes"),
    (config(responseSchema={"type": "STRING"}), "needs the response mime type"),
    (schema(type="STRING", const="x"), 'Unknown name "const"'),
    (
        config(responseMimeType="application/json", responseSchema={}, responseJsonSchema={}),
        "Only one of response_schema",
    ),
    (
        config(thinkingConfig={"thinkingBudget": 5, "thinkingLevel": "LOW"}),
        "only one of thinking budget and thinking level",
    ),
    (config(thinkingConfig={"thinkingLevel": "XHIGH"}), "(TYPE_ENUM)"),
    (config(thinkingConfig={"thinkingBudget": 40_000}), "must be in the range [-1, 32768]"),
]

RIGHT: list[dict[str, Any]] = [
    {"contents": [{"parts": [HI]}]},
    {"contents": [ASKED, ASKED, model(HI), ASKED]},
    {"contents": [ASKED, model({"text": "Hm", "thought": True}, HI), ASKED]},
    {"contents": [ASKED, CALLED, user(response())]},
    {"contents": [ASKED, model(call(signature=DUMMY)), user(response(said={"error": "No"}))]},
    {"contents": [ASKED, model(call(signature=SIGNATURE.replace("/", "_"))), user(response())]},
    {
        "contents": [
            ASKED,
            model(call(signature=SIGNATURE), call("g")),
            user(response("g"), response("f")),
        ]
    },
    {"contents": [ASKED, CALLED, user(response(), HI)]},
    {"contents": [user(HI, blob(PIXEL), {"fileData": {"fileUri": "https://a/b"}})]},
    {
        "contents": [user({"inline_data": {"mime_type": "image/png", "data": PIXEL}})],
        "system_instruction": {"parts": [HI]},
        "generation_config": {"max_output_tokens": 60, "top_k": 5, "seed": 7},
    },
    {"systemInstruction": {"role": "system", "parts": [HI, HI]}, "serviceTier": "standard"},
    {**declare({"name": "f.g:h-i", "description": "Do"}), **choose("NONE")},
    {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]},
    config(temperature=0, topP=1, responseMimeType="text/plain", responseModalities=["TEXT"]),
    config(thinkingConfig={"includeThoughts": True, "thinkingLevel": "low"}),
]


@pytest.mark.parametrize(("fields", "said"), WRONG)
async def test_a_wrong_request_is_refused(
    sandbox: Sandbox, fields: dict[str, Any], said: str
) -> None:
    """The status is 400 INVALID_ARGUMENT, and the message names the fault."""
    reply = await ask_face(sandbox, "google", "ok", **fields)
    error = reply.json["error"]
    assert (reply.status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert said in error["message"]


@pytest.mark.parametrize("fields", RIGHT)
async def test_a_right_request_is_answered(sandbox: Sandbox, fields: dict[str, Any]) -> None:
    """What the real service takes is taken, in camelCase and in snake_case."""
    reply = await ask_face(sandbox, "google", "ok", stream=False, **fields)
    assert reply.status == 200, reply.body
    assert reply.json["candidates"][0]["finishReason"] == "STOP"


async def test_an_unknown_field_is_named_in_the_details(sandbox: Sandbox) -> None:
    """The error has a `BadRequest` with the field."""
    reply = await ask_face(sandbox, "google", "ok", **config(temprature=1))
    (detail,) = reply.json["error"]["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert detail["fieldViolations"][0]["field"] == "generation_config"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"[" * 100_000])
async def test_a_body_that_is_no_object_is_refused(sandbox: Sandbox, body: bytes) -> None:
    """Bytes that are no JSON object are 400, however they are broken."""
    path = "/google/v1beta/models/ok:generateContent"
    headers = headers_of("google", "sandbox-key")
    async with connect(sandbox) as line:
        await line.send(request("POST", path, key=None, headers=headers, body=body))
        assert (await line.reply()).status == 400
