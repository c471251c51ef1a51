"""Serve a tiny model by llama.cpp's own server: `python -m support.llama_server PORT ROOT`.

`LLAMA_API_KEY` is the key that it asks for, and the model is written below `ROOT`.
It is run by the interpreter that has `xllamacpp`, not by the project's own.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final

import xllamacpp  # type: ignore[import-not-found] # only the interpreter of llama.cpp has it

from support.tiny_model import CONTEXT_TOKENS, write_model

MODEL: Final = "tiny"
_SLOTS: Final = 2


def main(port: int, root: Path) -> None:
    """Make the model, and serve it until the process is told to end."""
    path = root / "tiny.gguf"
    write_model(path)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.api_keys = [os.environ["LLAMA_API_KEY"]]
    params.n_parallel = _SLOTS
    params.n_ctx = CONTEXT_TOKENS * _SLOTS
    params.cpuparams.n_threads = 1
    params.warmup = False
    server = xllamacpp.Server(params)
    signal.sigwait({signal.SIGTERM})
    del server


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main(int(sys.argv[1]), Path(sys.argv[2]))
