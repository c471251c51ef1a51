"""Every scenario in every format, but those that a format cannot express."""

from __future__ import annotations

from trunkline.benchmark.scenarios import SCENARIOS

FORMATS = ("openai", "anthropic", "google", "ollama")

INEXPRESSIBLE: dict[tuple[str, str], str] = {
    ("S01", "ollama"): "a refusal of this format announces no wait",
    ("S11", "google"): "the format has no terminator after the finish reason",
    ("S11", "ollama"): "the terminator is the line that holds finish reason and usage",
    ("S13", "ollama"): "the format has no error for refused content",
}
"""Which cells there are not, and why."""

CELLS = [
    (scenario.id, name)
    for scenario in SCENARIOS
    for name in FORMATS
    if (scenario.id, name) not in INEXPRESSIBLE
]
