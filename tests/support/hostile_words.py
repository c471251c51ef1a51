"""Texts that have broken one program or another, or that look as if they were meant."""

from __future__ import annotations

import base64
from typing import Final

TEXTS: Final = (
    "",
    " ",
    "\0",
    "a\0b",
    "\x1b[31m\x07\x7f",
    "\r\nx-injected: 1\r\n\r\n",
    "\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}\N{NEXT LINE}",
    "\N{RIGHT-TO-LEFT OVERRIDE}ko/xobdnas",
    "\N{ZERO WIDTH NO-BREAK SPACE}\N{ZERO WIDTH SPACE}",
    "e\N{COMBINING ACUTE ACCENT}" * 40,
    "\U0010ffff\uffff\ufdd0",
    "\N{DEVANAGARI DIGIT THREE}",
    "' OR 1=1; DROP TABLE provider; --",
    '%s%n%(name)s{0}{request}"',
    "$(id)`id`;id|id&&id",
    "../../../../etc/passwd",
    "..%2f..%00",
    "/",
    "//",
    "a/b",
    "a/",
    "-a",
    "sandbox/ok",
    "default",
    "*",
    "run_0",
    "cred_0",
    "tok_0",
    "run_01K5ZZZZZZ0000000000000000000000",
    "x" * 63,
    "x" * 64,
    "x" * 300,
    "x" * 20_000,
    "\N{SNOWMAN}" * 1_025,
    '"' * 50_000,
    "x" * 300_000,
)
ADDRESSES: Final = (
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/computeMetadata/v1",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/v1",
    "http://2130706433/v1",
    "http://0x7f.1/v1",
    "http://127.0.0.1:1/v1",
    "http://127.0.0.1:99999/v1",
    "https://127.0.0.1:1/v1",
    "http://localhost:1/v1?query#fragment",
    "https://user:password@127.0.0.1:1/v1",
    "https://nobody.invalid/v1",
    "https://ex\N{LATIN SMALL LETTER SHARP S}ample.invalid/\N{SNOWMAN}",
    "https://xn--a.invalid/v1",
    "http://[::1",
    "http://[v1.x]/",
    "https://",
    "https://a/%zz",
    f"https://{'a' * 64}.invalid/v1",
    f"https://{'a.' * 200}invalid/v1",
)
HEADERS: Final = (
    "authorization",
    "Content-Length",
    "content-type",
    "Host",
    "transfer-encoding",
    "X-Api-Key",
    "-",
)
JSON_FIELDS: Final = ("arguments", "data_json", "parameters_json", "schema_json")
JSON: Final = (
    "null",
    "{}",
    "[]",
    "{",
    '{"a":1,"a":2}',
    '{"a":1e999,"b":-0.0,"c":NaN}',
    '{"a":1e400}',
    '{"a":%s}' % ("9" * 5_000),
    '{"a":"\\ud800","\\udfff":1}',
    '{"a":"\\u0000"}',
    '{"":{"":{"":{}}}}',
    "{}\0",
    "{}{}",
    '{"a":' * 90 + "1" + "}" * 90,
    '{"a":' * 900 + "1" + "}" * 900,
    "[" * 100_000,
    '{"a":' * 20_000 + "1" + "}" * 20_000,
    '{"type":"object","properties":{"a":{"$ref":"#"}}}',
    '{"type":"object","properties":{"a":{"pattern":"(a+)+$"}},"required":[1,null,{}]}',
    '{"type":["object",7],"items":true,"enum":[],"anyOf":{}}',
)


def _token(key: bytes) -> str:
    """Return a page token as the lists make them."""
    return base64.urlsafe_b64encode(key).decode()


PATHS: Final = (
    "display_name",
    "endpoint",
    "endpoint.base_url",
    "endpoint.headers",
    "endpoint.streaming",
    "endpoint.format",
    "default_model",
    "enabled",
    "name",
    "facts",
    "facts.context_window",
    "facts.tools",
    "facts.deprecation_time",
    "facts.format",
    "description",
    "deployment_default",
    "*",
    "a.b.c",
    ".",
)

# Of every list, and of none.
PAGE_TOKENS: Final = (
    "====",
    "a",
    _token(b"\xff\xfe"),
    _token(b"sandbox"),
    _token(b"sandbox/ok"),
    _token(b"sandbox/cred_0"),
    _token(b"tok_0"),
    _token(b"run_0"),
    _token(b"0:0"),
    _token(b"99999999999999999999:-1"),
    _token(b"9999999999999999999.sandbox"),
    _token("\N{ARABIC-INDIC DIGIT NINE}.sandbox".encode()),
    _token(b"run_0\n"),
)
