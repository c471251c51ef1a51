"""What a chat costs through Trunkline, measured beside a bare relay on the same machine.

Run it with `PYTHONPATH=tests python -m bench`.
"""
