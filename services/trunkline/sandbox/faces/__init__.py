"""The wire formats that the sandbox speaks, each in a folder of its own.

`all` lists them. A face knows its format's paths, keys, requests, answers and refusals, and no
other face.
"""
