"""Each format as its vendor documents it, with no code of the adapters.

A module writes answers as the vendor gives them, and reads requests as it does.
"""
