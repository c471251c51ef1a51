"""Cooldowns as they are answered and told.

What is told lies in the outbox before a reader gets it: there the times stand in place of
what remains until then, and they are counted out when it is sent.
"""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from trunkline.health.cooldown import SECOND_NS, Cooldown
from trunkline.health.route import Route
from trunkline.health.v1 import health_pb2, health_service_pb2

_OPEN = health_pb2.COOLDOWN_STATE_OPEN
_HALF_OPEN = health_pb2.COOLDOWN_STATE_HALF_OPEN
_CLOSED = health_pb2.COOLDOWN_STATE_CLOSED


def describe(cooldown: Cooldown, now_ns: int) -> health_pb2.Cooldown:
    """Return a cooldown as it stands at a time."""
    remaining_ns = cooldown.remaining_ns(now_ns)
    described = _begin(cooldown, _OPEN if remaining_ns else _HALF_OPEN)
    described.provider_given = cooldown.is_provider_given(now_ns)
    described.remaining.CopyFrom(_span(remaining_ns))
    trial_ns = cooldown.trial_remaining_ns(now_ns)
    if trial_ns:
        described.trial_remaining.CopyFrom(_span(trial_ns))
    return described


def describe_closed(cooldown: Cooldown) -> health_pb2.Cooldown:
    """Return a cooldown that is over."""
    return _begin(cooldown, _CLOSED)


def describe_none(route: Route) -> health_pb2.Cooldown:
    """Return how a route stands that does not cool."""
    return health_pb2.Cooldown(route=_key(route), state=_CLOSED)


def tell(cooldown: Cooldown) -> health_service_pb2.WatchHealthResponse:
    """Return the change that tells of a cooldown, for the outbox."""
    told = _begin(cooldown, _OPEN)
    told.remaining.CopyFrom(_span(cooldown.deadline_ns))
    if cooldown.trial_id:
        told.trial_remaining.CopyFrom(_span(cooldown.trial_end_ns))
    return health_service_pb2.WatchHealthResponse(cooldown=told)


def tell_closed(cooldown: Cooldown) -> health_service_pb2.WatchHealthResponse:
    """Return the change that tells that a cooldown is over, for the outbox."""
    return health_service_pb2.WatchHealthResponse(cooldown=describe_closed(cooldown))


def read_cooldown(told: health_pb2.Cooldown) -> Cooldown | None:
    """Return a cooldown as the outbox tells of it, without its trial's id; None: it is over."""
    if told.state == _CLOSED:
        return None
    return Cooldown(
        route_of(told.route),
        told.kind,
        told.failures,
        told.generation,
        told.remaining.ToNanoseconds(),
        # What is told is told anew when our guess goes on after the provider's wait.
        told.remaining.ToNanoseconds() if told.provider_given else 0,
        "told" if told.HasField("trial_remaining") else "",
        told.trial_remaining.ToNanoseconds(),
    )


def count_out(told: health_pb2.Cooldown, now_ns: int) -> health_pb2.Cooldown:
    """Return what the outbox tells of a cooldown as it stands at a time."""
    cooldown = read_cooldown(told)
    return told if cooldown is None else describe(cooldown, now_ns)


def route_of(key: health_pb2.RouteKey) -> Route:
    """Return a route as it is called here."""
    return Route(key.model, key.credential_id)


def _begin(cooldown: Cooldown, state: health_pb2.CooldownState.ValueType) -> health_pb2.Cooldown:
    """Return what of a cooldown depends on no time."""
    return health_pb2.Cooldown(
        route=_key(cooldown.route),
        state=state,
        kind=cooldown.kind,
        failures=cooldown.failures,
        generation=cooldown.generation,
        provider_given=cooldown.given_until_ns > 0,
    )


def _key(route: Route) -> health_pb2.RouteKey:
    """Return a route as the contract calls it."""
    return health_pb2.RouteKey(model=route.model, credential_id=route.credential_id)


def _span(nanoseconds: int) -> Duration:
    """Return nanoseconds as a duration."""
    seconds, nanos = divmod(nanoseconds, SECOND_NS)
    return Duration(seconds=seconds, nanos=nanos)
