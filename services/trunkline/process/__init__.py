"""A process as it sees itself: what it runs, where it listens, what it lacks."""
