"""Whom secure connections to providers trust."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx


def check_authorities(file: Path) -> None:
    """Refuse a file of certificate authorities that cannot be used.

    Args:
        file: certificates in PEM.

    Raises:
        OSError: it cannot be read, or holds no certificate (`ssl.SSLError`).
    """
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)


def make_tls(extra: Path | None) -> ssl.SSLContext:
    """Return the settings of TLS to providers; reads files for some 40 ms.

    Not from the environment (`SSL_CERT_FILE`): whom we trust is a setting.

    Args:
        extra: file of certificates in PEM that are trusted besides certifi's.

    Raises:
        OSError: as for `check_authorities`.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if extra is not None:
        context.load_verify_locations(cafile=extra)
    context.set_alpn_protocols(["http/1.1"])
    return context
