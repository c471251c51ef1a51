"""Which models may answer a request, in which order, and why not the others.

Pure, and shared: inference asks by it, and the catalog explains by it.
"""
