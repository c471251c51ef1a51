"""What can be set of the inference service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from trunkline.inference.journal.locations import check_journal_url
from trunkline.inference.transport import parse_exceptions, parse_proxy
from trunkline.kernel.settings import Settings

_KIB = 1024
_MIB = 1024 * _KIB


class InferenceSettings(Settings):
    """Bounds and waits of runs, and how providers are reached."""

    max_runs: int = Field(default=4_000, ge=1, description="Runs that may go on at once.")
    max_runs_per_principal: int = Field(
        default=2_000, ge=1, description="Runs that may go on at once for one principal."
    )
    run_total_s: float = Field(
        default=600.0, gt=0, description="How long a run may take, in seconds, unless it says so."
    )
    run_grace_s: float = Field(
        default=15.0,
        ge=0,
        le=3600,
        description="How long a run that nobody reads waits for a reader, in seconds.",
    )
    run_retention_s: float = Field(
        default=600.0, gt=0, description="How long an ended run can be read, in seconds."
    )
    durable_retention_s: float = Field(
        default=86_400.0, gt=0, description="The same of a durable run, in seconds."
    )
    default_durability: Literal["method", "memory", "durable"] = Field(
        default="method",
        description="What a run survives unless it says so. method: durable where it can be"
        " read later: streams, conversations, runs that continue or have an idempotency key; all,"
        " where a server holds the journal for several processes.",
    )
    run_lease_s: float = Field(
        default=5.0,
        ge=0.2,
        le=60,
        description="How long a process that says nothing is taken for alive, in seconds; then"
        " others take its durable runs over.",
    )
    journal_look_s: float = Field(
        default=1.0,
        gt=0,
        description="How often runs of other processes are looked at without being woken, in"
        " seconds.",
    )
    journal_url: SecretStr | None = Field(
        default=None,
        description="Where durable runs lie, `rediss://…` or `unix://…`; unset: a file in the data"
        " directory.",
    )
    max_kept_runs: int = Field(
        default=100_000, ge=1, description="Ended runs that are kept; the oldest go first."
    )
    journal_untaken_bytes: int = Field(
        default=256 * _KIB,
        ge=_KIB,
        description="Events of a run that no reader has taken, in bytes; then its provider waits,"
        " unless another process has readers of it. Less where many runs go on: at"
        " most their part of half of journal_total_bytes.",
    )
    journal_run_bytes: int = Field(
        default=8 * _MIB,
        ge=_KIB,
        description="Events that are kept of one run, in bytes; the oldest taken ones go first.",
    )
    journal_total_bytes: int = Field(
        default=256 * _MIB,
        ge=_KIB,
        description="Events that are kept of all runs, in bytes; those of ended runs go first.",
    )
    connect_s: float = Field(
        default=5.0, gt=0, description="To be connected to a provider, in seconds."
    )
    first_token_s: float = Field(
        default=60.0,
        gt=0,
        description="From a request sent to its first content, in seconds; not for reasoning.",
    )
    first_token_fallback_s: float = Field(
        default=10.0,
        gt=0,
        description="The same while another model is left that could be asked.",
    )
    first_token_local_s: float = Field(
        default=120.0, gt=0, description="The same of a provider at a private address."
    )
    idle_s: float = Field(
        default=30.0, gt=0, description="Between two reads from a provider, in seconds."
    )
    idle_reasoning_s: float = Field(
        default=120.0, gt=0, description="The same when the request or the model reasons."
    )
    usage_wait_s: float = Field(
        default=2.0,
        gt=0,
        description="How long usage is waited for after an answer's end, in seconds.",
    )
    hedge_after_s: float = Field(
        default=8.0,
        ge=0,
        description="Without content for so long, in seconds, a model of another provider is"
        " asked beside the first; not for reasoning. 0: never.",
    )
    embed_parallel: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Requests of one embedding that go on at once; as many batches wait for a"
        " slow reader.",
    )
    embed_answer_s: float = Field(
        default=60.0,
        gt=0,
        description="From a request for embeddings sent to the end of its answer, in seconds,"
        " unless the request says so.",
    )
    embed_kept_bytes: int = Field(
        default=64 * _MIB,
        ge=0,
        description="Embeddings that are kept for their idempotency keys, in bytes, of 1 MiB each"
        " at most; the oldest go first.",
    )
    retry_pause_s: float = Field(
        default=0.5,
        ge=0,
        description="Before the same model is asked again where its provider does not say when,"
        " in seconds.",
    )
    retry_wait_s: float = Field(
        default=5.0,
        ge=0,
        description="The longest wait, in seconds, that a provider may ask for and that is"
        " waited for.",
    )
    retry_budget: float = Field(
        default=10.0,
        ge=0,
        description="Retries, hedges and requests to models that cool that a process may make"
        " at once; each request adds a tenth.",
    )
    connections_per_provider: int = Field(
        default=1_024, ge=1, description="Connections to one origin that may be open at once."
    )
    provider_ca_file: Path | None = Field(
        default=None, description="Further certificate authorities for providers, a PEM file."
    )
    aws_chain: bool = Field(
        default=False,
        description="A Bedrock provider that is connected without a key uses those that this"
        " machine has from AWS: shared files, or its role.",
    )
    provider_proxy: SecretStr | None = Field(
        default=None,
        description="Outbound proxy to providers, `http://[user:password@]host:port`; unset: none.",
    )
    provider_proxy_except: str = Field(
        default="",
        description="Hosts asked without the proxy: names with those below, addresses, networks;"
        " by commas.",
    )

    @field_validator("provider_proxy")
    @classmethod
    def _check_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse what is no address of a proxy."""
        if value is not None:
            parse_proxy(value.get_secret_value())
        return value

    @field_validator("journal_url")
    @classmethod
    def _check_journal(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse what is no address of a Redis server."""
        check_journal_url(value)
        return value

    @field_validator("provider_proxy_except")
    @classmethod
    def _check_exceptions(cls, value: str) -> str:
        """Refuse entries that would do nothing."""
        parse_exceptions(value)
        return value
