"""HTTP/1.1 to model providers: checked addresses, kept connections, bytes as they come.

`Transport` opens an `Exchange` per request; whoever wants httpx's own ways puts a client on top of
it. What goes wrong is a `TransportFault` (see `faults`).
"""

from trunkline.inference.transport.exchange import Exchange
from trunkline.inference.transport.faults import (
    AddressForbidden,
    Broken,
    BrokenReason,
    NoPlace,
    Silent,
    TransportFault,
    Unreachable,
    UnreachableReason,
    Unsendable,
)
from trunkline.inference.transport.proxy import Proxy, parse_exceptions, parse_proxy
from trunkline.inference.transport.resolver import Resolver
from trunkline.inference.transport.transport import Transport

__all__ = [
    "AddressForbidden",
    "Broken",
    "BrokenReason",
    "Exchange",
    "NoPlace",
    "Proxy",
    "Resolver",
    "Silent",
    "Transport",
    "TransportFault",
    "Unreachable",
    "UnreachableReason",
    "Unsendable",
    "parse_exceptions",
    "parse_proxy",
]
