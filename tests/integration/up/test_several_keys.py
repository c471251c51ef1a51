"""Several keys of one provider against a real `trunkline up`."""

from __future__ import annotations

from pathlib import Path

from support.canary import MARK
from support.process import Up, run
from trunkline.sandbox.server import Sandbox

KEY = f"{MARK}-several"


async def test_a_second_key_goes_on_when_the_first_is_deleted(tmp_path: Path) -> None:
    """It is saved beside the first, shown in its place, and used alone afterwards."""
    async with Sandbox(api_key=KEY) as provider, Up(tmp_path) as up:
        env = up.client
        for more in (("--base-url", provider.base_url), ("--label", "second", "--rank", "1")):
            done = await run("connect", "mine", *more, env=env, stdin=KEY)
            assert done.code == 0, done.err
            assert "were not read" not in done.err
        status = await run("status", env=env)
        keys = "default (rank 0): api key, verified; second (rank 1): api key, verified"
        assert keys in status.out
        gone = await run("disconnect", "mine", "--label", "default", "--yes", env=env)
        assert gone.code == 0, gone.err
        chat = await run("chat", "--model", "mine/ok", "Hello", env=env)
        assert chat.code == 0, chat.err
        left = await run("status", env=env)
        assert "second" not in left.out
        assert "api key, verified" in left.out
    assert KEY.encode() not in up.log.read_bytes()
