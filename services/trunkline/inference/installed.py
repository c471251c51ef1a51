"""Take in adapters that others have installed beside ours; see docs/adapters.md."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from trunkline.inference.adapters.adapter import Adapter
from trunkline.kernel.extensions import installed_adapters
from trunkline.kernel.log import get_logger

log = get_logger("trunkline.adapters")

_METHODS = ("build_chat", "decoder", "build_probe", "read_models", "classify", "verify")


def list_adapters(own: Iterable[Adapter], late: Collection[str] = ()) -> dict[str, Adapter]:
    """Return every adapter by its format: ours, and those that are installed.

    One that cannot be used is told of in the log, and the service goes on without it: a
    provider of its format is refused by name.

    Args:
        own: ours.
        late: formats of ours that are not imported yet.
    """
    adapters = {adapter.format: adapter for adapter in own}
    for name, entry in installed_adapters().items():
        if name in adapters or name in late:
            log.error("adapter_not_used", format=name, reason="the format is served already")
            continue
        try:
            adapter: Any = entry.load()()
        except Exception as error:
            log.error("adapter_not_used", format=name, reason=type(error).__name__)
            continue
        lacking = [method for method in _METHODS if not callable(getattr(adapter, method, None))]
        if lacking or getattr(adapter, "format", "") != name:
            reason = f"it has no {lacking[0]}" if lacking else "its format is another"
            log.error("adapter_not_used", format=name, reason=reason)
            continue
        adapters[name] = adapter
        log.info("adapter_installed", format=name, source_module=entry.module)
    return adapters
