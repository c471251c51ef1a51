"""FailoverBench: sixteen ways in which a provider fails, and what a gateway makes of them.

A gateway asks the sandbox as its provider. Two views are judged: what the caller got, and what
the provider saw.

- `scenarios`: what the provider does, and what is expected; data;
- `observation`: both views of one scenario;
- `judge`: from an observation to a verdict, pure;
- `bench`: runs scenarios against whatever answers chats;
- `gateway`: asks an OpenAI-compatible gateway, with `events` for its streams;
- `scorecard`: the verdicts, counted.

Source: the public benchmark failoverbench/failoverbench, methodology v0.1. The package needs the
sandbox and httpx, and no other part of Trunkline.
"""
