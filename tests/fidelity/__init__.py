"""What becomes of a transcript that goes from one vendor to another, told feature by feature."""
