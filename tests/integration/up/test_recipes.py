"""What README says to type does what README says, word for word."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.process import Up, environment

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
RECIPE = re.compile(r"<!-- recipe: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)
README_ADDRESS = "127.0.0.1:50051"
_LIMIT_S = 60.0


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    """Give a running `trunkline up`."""
    async with Up(tmp_path) as running:
        yield running


def recipes(kind: str) -> list[str]:
    """Return README's recipes of a kind, in order."""
    found = [
        body for name, body in RECIPE.findall((ROOT / "README.md").read_text()) if name == kind
    ]
    assert found, f"README has no {kind} recipe"
    return found


def find_tool(name: str) -> Path:
    """Return a tool that the project installs, or say how to get it."""
    beside = ROOT / ".tools" / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        message = f"{name} is missing: `make tools` installs it where Go is"
        if os.environ.get("TRUNKLINE_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return Path(found)


async def shell(script: str, env: dict[str, str]) -> str:
    """Run a script as a person's shell would, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        f"shopt -s expand_aliases\n{script}",
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(_LIMIT_S):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode() + out.decode()
    return out.decode()


def documents(text: str) -> list[dict[str, object]]:
    """Parse JSON documents that stand one after the other."""
    decoder = json.JSONDecoder()
    found = []
    position = 0
    while position < len(text.rstrip()):
        document, end = decoder.raw_decode(text, position)
        found.append(document)
        position = end + (len(text[end:]) - len(text[end:].lstrip()))
    return found


def read(document: dict[str, object], name: str) -> dict[str, object]:
    """Return a field of an event; grpcurl writes it as the contract does, buf in camel case."""
    head, *rest = name.split("_")
    camel = head + "".join(word.capitalize() for word in rest)
    value = document.get(name, document.get(camel))
    return value if isinstance(value, dict) else {}


def streamed_text(events: list[dict[str, object]]) -> str:
    """Return the text of a stream's deltas."""
    return "".join(str(read(event, "text_delta").get("text", "")) for event in events)


async def test_grpcurl_streams_a_chat_and_resumes_it(up: Up) -> None:
    """README's two lines for grpcurl: a chat, and the rest of it after event 5."""
    grpcurl = find_tool("grpcurl")
    chat, resume = recipes("grpcurl")
    env = environment({"TRUNKLINE_CONFIG_DIR": str(up.directory / "config")})
    env["PATH"] = f"{grpcurl.parent}:{BIN}:{env['PATH']}"
    script = chat.replace(README_ADDRESS, up.address)
    events = documents(await shell(script, env))
    assert len(streamed_text(events).split()) == 60
    assert "completed" in events[-1]
    setup = script[: script.index("tl -d")]
    again = resume.replace(README_ADDRESS, up.address).replace(
        "run_…", str(read(events[0], "run_started")["run_id"])
    )
    assert documents(await shell(setup + again, env)) == events[5:]


async def test_the_printed_line_works(up: Up) -> None:
    """The grpcurl line that `trunkline up` prints can be pasted, and shows no secret."""
    grpcurl = find_tool("grpcurl")
    line = next(line for line in up.output if "grpcurl" in line)
    assert up.token not in line
    env = environment()
    env["PATH"] = f"{grpcurl.parent}:{env['PATH']}"
    assert "completed" in documents(await shell(line, env))[-1]


async def test_buf_curl_streams_a_chat_and_resumes_it(up: Up, tmp_path: Path) -> None:
    """The same by `buf curl`, which asks the server's reflection for the contract."""
    headers = tmp_path / "headers"
    headers.write_text(f"authorization: Bearer {up.token}\n")
    env = environment({"HOME": str(tmp_path)})

    async def curl(method: str, body: str) -> list[dict[str, object]]:
        url = f"http://{up.address}/trunkline.inference.v1.InferenceService/{method}"
        script = (
            f"{BIN / 'buf'} curl --protocol grpc --http2-prior-knowledge"
            f" -H @{headers} --reflect-header @{headers} -d '{body}' {url}"
        )
        return documents(await shell(script, env))

    bodies = [re.search(r"-d '(.*?)'", recipe) for recipe in recipes("grpcurl")]
    chat, resume = (found[1] for found in bodies if found is not None)
    events = await curl("StreamChat", chat)
    assert len(streamed_text(events).split()) == 60
    assert "completed" in events[-1]
    run_id = str(read(events[0], "run_started")["runId"])
    assert await curl("ResumeChat", resume.replace("run_…", run_id)) == events[5:]


async def test_python_streams_a_chat(up: Up, tmp_path: Path) -> None:
    """README's program prints the answer."""
    (source,) = recipes("python")
    program = tmp_path / "chat.py"
    program.write_text(source)
    out = await shell(
        f"{sys.executable} {program}",
        environment({"TRUNKLINE_TOKEN": up.token, "TRUNKLINE_ADDRESS": up.address}),
    )
    assert len(out.split()) == 60
