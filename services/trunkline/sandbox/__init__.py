"""Serve misbehaving model providers over real HTTP, for a first start and for tests.

The model's name chooses the behaviour: `ok` answers, `cut-after-40` breaks off after forty
events, `429-retry-after-2` refuses. `server` holds the server, `models` the table of names. The
subjects are kept apart, so that another wire format is one more face and nothing else:

- `server`, `connection`, `request`, `outlet`, `keys`, `sightings`: HTTP/1.1 on raw sockets, who
  may do what, and what was seen;
- `models`, `rows`, `behaviours`, `attempts`: what a name means, and at which attempts;
- `prompt`, `history`, `scripts`, `words`, `seam`, `speech`, `answer`, `stops`, `schemas`: what is
  asked and said;
- `faults`, `delivery`, `frames`: when it is said, and how it goes wrong;
- `face`, and the folders of `faces`: how it looks on the wire of OpenAI, Anthropic, Google and
  Ollama, with `images` and `signatures` for what they have in common.

The package needs the standard library, httptools and msgspec, and no other part of Trunkline.
"""
