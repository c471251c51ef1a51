"""What a provider was asked, read as the sandbox reads it, and what it says when it is healthy."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from trunkline.sandbox.answer import Answer, fold
from trunkline.sandbox.behaviours import Behaviour
from trunkline.sandbox.face import Face, Route
from trunkline.sandbox.faces.all import place
from trunkline.sandbox.models import find
from trunkline.sandbox.prompt import Prompt
from trunkline.sandbox.request import Request
from trunkline.sandbox.scripts import perform
from trunkline.sandbox.sightings import Sighting
from trunkline.sandbox.speech import Finish


@dataclass(frozen=True, slots=True)
class Heard:
    """One chat request that came.

    Attributes:
        model: that it named.
        behaviour: what that model does.
        face: speaks its format.
        route: what its path means.
        prompt: what was asked.
    """

    model: str
    behaviour: Behaviour
    face: Face
    route: Route
    prompt: Prompt

    @property
    def answer(self) -> Answer:
        """What a healthy model says to it."""
        speech = perform(self.behaviour.script, self.prompt)
        return fold(part for part in speech if not isinstance(part, Finish))


def hear(request: Request) -> Heard:
    """Read a chat request.

    Raises:
        Refusal: it is not what its format demands.
    """
    face, head = place(request)
    route = face.route(head)
    assert route is not None, request.path
    body = msgspec.json.decode(request.body)
    model = face.model(route, body) or ""
    behaviour = find(model)
    assert behaviour is not None, model
    prompt = face.read(head, route, body)
    assert isinstance(prompt, Prompt)
    return Heard(model, behaviour, face, route, prompt)


def hear_again(sighting: Sighting) -> Heard:
    """Read a chat request that the sandbox got."""
    fields = tuple(sighting.headers)
    return hear(Request(sighting.method, sighting.path, fields, sighting.raw_body, True))
