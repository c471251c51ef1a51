"""The command line: thin, since everything it does is an RPC that anybody can call.

`main` and the modules with commands import nothing heavy when they are imported, so that
help and version come at once; a command imports what it works with when it runs.
"""
