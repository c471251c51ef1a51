"""The table of the ledger. Rows do not leave its store.

Times are integer nanoseconds, points of time since 1970; money is integer nano-dollars.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

_NEWEST = ("start_ns", "run_id", "number")


class Tables(SQLModel, registry=registry()):
    """The base of this service's tables, with a metadata of its own."""


class AttemptRow(Tables, table=True):
    """One request to one provider, and whom it served.

    Nothing of what was asked or said is here, nor any provider's own sentence.

    Attributes:
        run_id: `run_…`.
        number: counted from 1 within the run.
        principal: whose run.
        on_behalf_of: for which user of it; empty: for itself.
        role: that was filled; empty: none.
        agent: that asked; empty: none.
        provider: of the model, for who looks for all of it.
        model: `provider/model`.
        outcome: as in the contract; 0: it is open, and a later row replaces it.
        continuation, credential_scope, usage_source: as in the contract.
        credential_id: `cred_…`, whoever asked; empty: none.
        start_ns: when the request was sent.
        duration_ns: from sent to ended.
        first_token_ns: from sent to the first content; None: none came.
        input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
            cache_write_long_tokens: as in the contract.
        cost_nanodollars: None: no known price.
        price_version: that it was computed with; empty: the provider told the cost.
        is_cost_estimated: as in the contract.
        failure_kind: as in the contract; None: it did not fail.
        failure_status: of HTTP; 0: there was no answer.
        failure_code: the provider's name for it; empty: none.
        failure_message: our sentence.
        is_mid_stream: content had been delivered before.
    """

    __tablename__ = "attempt"
    __table_args__ = (
        Index("ix_attempt_newest", *_NEWEST),
        Index("ix_attempt_principal", "principal", *_NEWEST),
        Index("ix_attempt_user", "principal", "on_behalf_of", *_NEWEST),
    )

    run_id: str = Field(primary_key=True)
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    principal: str
    on_behalf_of: str
    role: str
    agent: str
    provider: str
    model: str
    outcome: int
    continuation: int
    credential_scope: int
    credential_id: str
    start_ns: int = Field(sa_type=BigInteger)
    duration_ns: int = Field(sa_type=BigInteger)
    first_token_ns: int | None = Field(sa_type=BigInteger)
    input_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    cache_read_tokens: int = Field(sa_type=BigInteger)
    cache_write_tokens: int = Field(sa_type=BigInteger)
    reasoning_tokens: int = Field(sa_type=BigInteger)
    cache_write_long_tokens: int = Field(sa_type=BigInteger)
    usage_source: int
    cost_nanodollars: int | None = Field(sa_type=BigInteger)
    price_version: str
    is_cost_estimated: bool
    failure_kind: int | None
    failure_status: int
    failure_code: str
    failure_message: str
    is_mid_stream: bool
