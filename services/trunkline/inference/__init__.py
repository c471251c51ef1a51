"""Carry every chat to its end: runs, their journal, and all knowledge of wire formats."""
