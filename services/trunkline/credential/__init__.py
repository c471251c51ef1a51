"""The credential service: provider keys, their encryption and their policy."""
