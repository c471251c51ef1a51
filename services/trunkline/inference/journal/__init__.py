"""The journal: the events of a run, numbered, immutable, for any number of readers."""
