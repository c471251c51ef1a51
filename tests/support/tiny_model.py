"""Make a tiny model with random weights, which llama.cpp loads in milliseconds.

It is run by the interpreter that has `gguf`, not by the project's own. The tokens are the
256 bytes, so that every text can be read and written, and two that begin and end a message.
The weights are random by a fixed seed. One channel is the same for every token, and its
weights in the output say how likely a token is beside that: ASCII is, and the end and a tool
call are a little more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import gguf  # type: ignore[import-not-found] # only the interpreter of llama.cpp has it
import numpy as np  # type: ignore[import-not-found]

CONTEXT_TOKENS: Final = 4096

# By this one also the likeliest characters differ, and come to an end.
_SEED: Final = 91
_WIDTH: Final = 64
_LAYERS: Final = 2
_HEADS: Final = 4
_INNER_WIDTH: Final = 128
_END, _START = "<|end|>", "<|start|>"
# What stands before a tool call; see the template.
_CALL: Final = "@"

# A call is a mark, a name and arguments. So short a mark is soon said by chance, and from
# there on llama.cpp's grammar holds.
TEMPLATE: Final = """
{%- if tools %}{{ '<|start|>system\\n' }}
{%- for tool in tools %}{{ tool | tojson + '\\n' }}{% endfor %}{{ '<|end|>\\n' }}{% endif %}
{%- for message in messages %}{{ '<|start|>' + message.role + '\\n' }}
{%- if message.content %}{{ message.content }}{% endif %}
{%- for call in message.tool_calls or [] %}
{{- '@{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson + '}' }}
{%- endfor %}{{ '<|end|>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|start|>assistant\\n' }}{% endif %}
"""


def write_model(path: Path) -> None:
    """Write the model to a file."""
    tokens = [_END, _START, *_bytes()]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER_WIDTH)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_types([control if token in (_END, _START) else normal for token in tokens])
    # It is not loaded without any; the token of this one is not in the vocabulary.
    writer.add_token_merges(["< |"])
    writer.add_eos_token_id(tokens.index(_END))
    writer.add_bos_token_id(tokens.index(_START))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    for name, weights in _weights(tokens).items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _bytes() -> list[str]:
    """Return the characters that stand for the 256 bytes in a byte-level vocabulary."""
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte if byte in shown else 256 + hidden.index(byte)) for byte in range(256)]


def _weights(tokens: list[str]) -> dict[str, Any]:
    """Return the tensors of the model."""
    random = np.random.default_rng(_SEED)

    def some(*shape: int, scale: float = 0.4) -> Any:
        return random.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    ones = np.ones(_WIDTH, dtype=np.float32)
    embedding = some(len(tokens), _WIDTH, scale=0.5)
    output = some(len(tokens), _WIDTH, scale=0.1)
    embedding[:, 0] = 8.0
    output[:, 0] = [_likelihood(token) for token in tokens]
    found = {"token_embd.weight": embedding, "output.weight": output, "output_norm.weight": ones}
    for layer in range(_LAYERS):
        found |= {
            f"blk.{layer}.{name}.weight": weights
            for name, weights in {
                "attn_norm": ones,
                "attn_q": some(_WIDTH, _WIDTH),
                "attn_k": some(_WIDTH, _WIDTH),
                "attn_v": some(_WIDTH, _WIDTH),
                "attn_output": some(_WIDTH, _WIDTH),
                "ffn_norm": ones,
                "ffn_gate": some(_INNER_WIDTH, _WIDTH),
                "ffn_up": some(_INNER_WIDTH, _WIDTH),
                "ffn_down": some(_WIDTH, _INNER_WIDTH),
            }.items()
        }
    return found


def _likelihood(token: str) -> float:
    """Return how likely a token is, beside what is random."""
    if token == _END:
        return 0.5
    if token == _CALL:
        return 0.7
    return 0.0 if len(token) == 1 and token.isascii() else -40.0
