"""What is wrong with the settings of `trunkline serve` is told at its start, and what to do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.certificates import DAY, Files, make_authority, write, write_service
from support.process import Done, environment

_LIMIT_S = 50.0

# Loading takes longer than everything that is tried: one process tries it all.
_PROGRAM = """
import contextlib, io, json, os, sys
from trunkline.cli.main import main
clean = dict(os.environ)
for case in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(clean | case["env"])
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(case["arguments"])
        except SystemExit as ended:
            code = ended.code
    told = (each.buffer.getvalue().decode() for each in (out, err))
    print(json.dumps([int(code), *told]), flush=True)
"""


@dataclass(frozen=True)
class Case:
    """A start that must fail.

    Attributes:
        arguments: of `trunkline`.
        env: settings, by their names.
        what: part of the sentence that says what is wrong.
        advice: part of the one that says what to do.
        code: exit code.
    """

    arguments: Sequence[str]
    env: dict[str, object]
    what: str
    advice: str
    code: int = 1


@dataclass
class Bench:
    """Directories and certificates for starts that fail.

    Attributes:
        root: for all files.
        files: certificates by service, and `public`.
    """

    root: Path
    files: dict[str, Files] = field(default_factory=dict)

    def internal(self, name: str, **more: object) -> dict[str, object]:
        """Return settings that show a certificate to other services."""
        files = self.files[name]
        return {
            "internal_listen": "127.0.0.1:0",
            "internal_certificate_file": files.chain,
            "internal_key_file": files.key,
            "internal_ca_file": files.authority,
            **more,
        }

    async def start(self, cases: Sequence[Case]) -> list[Done]:
        """Run `trunkline` for each case."""
        base = {
            "data_dir": self.root / "data",
            "config_dir": self.root / "config",
            "os_keyring": "never",
        }
        tried = [
            {
                "arguments": list(case.arguments),
                "env": {
                    f"TRUNKLINE_{name.upper()}": str(value)
                    for name, value in {**base, **case.env}.items()
                },
            }
            for case in cases
        ]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _PROGRAM,
            env=environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_LIMIT_S):
                out, err = await process.communicate(json.dumps(tried).encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        ended = [Done(*json.loads(line)) for line in out.splitlines()]
        assert len(ended) == len(cases), err.decode()
        return ended

    async def check(self, *cases: Case) -> None:
        """Hold each failure to its sentences: on standard error alone, and no traceback."""
        for case, done in zip(cases, await self.start(cases), strict=True):
            assert done.code == case.code, (case, done)
            assert done.out == ""
            # What is logged at a start stands above.
            *_, what, advice = done.err.splitlines()
            assert case.what in what, done.err
            assert case.advice in advice, done.err
            assert what.endswith(".")
            assert "Traceback" not in done.err
            assert "PRIVATE KEY" not in done.err


@pytest.fixture
def root() -> Iterator[Path]:
    """A short path, as the sockets below it need."""
    with tempfile.TemporaryDirectory(prefix="tl-") as directory:
        yield Path(directory)


@pytest.fixture
def bench(root: Path) -> Bench:
    """Certificates of one authority, for two services and for callers."""
    authority = make_authority()
    bench = Bench(root)
    for name in ("health", "catalog"):
        bench.files[name] = write_service(authority, root / name, name)
    bench.files["public"] = write(authority, root / "public")
    return bench


@contextlib.contextmanager
def taken(port: int = 0) -> Iterator[str]:
    """Have an address in use, by us or by somebody else."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            holder.bind(("127.0.0.1", port))
            holder.listen()
            port = holder.getsockname()[1]
        yield f"127.0.0.1:{port}"


HEALTH = ("serve", "health", "--listen", "127.0.0.1:0")
OTHERS = "127.0.0.1:1"


async def test_mutual_tls_needs_its_files_and_one_service(bench: Bench) -> None:
    """Each missing setting is named, and each service that is one too many."""
    files = bench.files["health"]
    certificate = {"internal_certificate_file": files.chain, "internal_key_file": files.key}
    await bench.check(
        Case(
            HEALTH,
            {"internal_listen": "127.0.0.1:0"},
            "The setting internal_listen needs mutual TLS, and internal_certificate_file and"
            " internal_key_file and internal_ca_file are not set.",
            "trunkline pki init",
        ),
        Case(
            HEALTH,
            {"internal_listen": "127.0.0.1:0", **certificate},
            "needs mutual TLS, and internal_ca_file is not set.",
            "trunkline pki init",
        ),
        Case(
            HEALTH,
            {"catalog_address": OTHERS},
            "The setting catalog_address needs mutual TLS, and internal_certificate_file",
            "trunkline pki init",
        ),
        Case(
            ("serve", "health", "catalog"),
            bench.internal("health"),
            "The setting internal_listen is for one service in a process, which a certificate"
            " names, and this process runs health, catalog.",
            "`trunkline serve` alone",
        ),
        Case(
            ("serve", "health", "catalog"),
            {"credential_address": OTHERS},
            "The setting credential_address is for one service in a process",
            "leave the setting out",
        ),
        Case(
            ("up",),
            bench.internal("health"),
            "this process runs credential, catalog, health, inference.",
            "`trunkline serve` alone",
        ),
    )
    assert not (bench.root / "data").exists()


async def test_a_certificate_has_to_be_for_the_service(bench: Bench, tmp_path: Path) -> None:
    """By its URI and its DNS name, in the trust domain of the settings, and for nothing else."""
    authority = make_authority()
    both = ["spiffe://trunkline/health", "spiffe://trunkline/inference"]
    bench.files["two"] = write(authority, tmp_path / "two", ["health.trunkline"], both)
    bench.files["name"] = write(authority, tmp_path / "name", ["localhost"], both[:1])
    mine = "is not for the health service: it must be for the DNS name health.trunkline and"
    advice = "set trust_domain to what the certificates are for"
    await bench.check(
        Case(HEALTH, bench.internal("catalog"), mine, advice),
        Case(HEALTH, bench.internal("public"), mine, advice),
        Case(HEALTH, bench.internal("two"), "the URI spiffe://trunkline/health, and", advice),
        Case(HEALTH, bench.internal("name"), mine, advice),
        Case(
            HEALTH,
            bench.internal("health", trust_domain="elsewhere"),
            "the DNS name health.elsewhere and the URI spiffe://elsewhere/health",
            advice,
        ),
    )
    assert not (bench.root / "data").exists()


async def test_files_that_cannot_be_used_are_told(bench: Bench, tmp_path: Path) -> None:
    """Of the internal as of the public listener; all in the words of the certificates."""
    public = bench.files["public"]
    then = datetime.now(UTC) - 9 * DAY
    bench.files["old"] = write(
        make_authority(then), tmp_path / "old", ["health.trunkline"], now=then, life=8 * DAY
    )
    await bench.check(
        Case(
            HEALTH,
            bench.internal("health", internal_key_file=tmp_path / "none.pem"),
            f"The file {tmp_path / 'none.pem'} cannot be read: No such file or directory.",
            "name the files that there are",
        ),
        Case(
            HEALTH,
            bench.internal("health", internal_key_file=bench.files["catalog"].key),
            "is not that of the certificate",
            "made together",
        ),
        Case(HEALTH, bench.internal("old"), "ended on", "Renew it"),
        Case(
            HEALTH,
            {"public_certificate_file": public.key, "public_key_file": public.key},
            f"The file {public.key} holds no certificate in PEM.",
            "Name the right file",
        ),
        Case(
            HEALTH,
            {"public_certificate_file": public.chain},
            "The setting public_certificate_file is set, and public_key_file is not.",
            "Set both, or neither.",
        ),
        Case(
            HEALTH,
            {"public_key_file": public.key},
            "The setting public_key_file is set, and public_certificate_file is not.",
            "Set both, or neither.",
        ),
    )
    assert not (bench.root / "data").exists()


async def test_settings_that_are_none_are_wrong_usage(bench: Bench) -> None:
    """Before anything is read or made; the setting is named with where its value stands."""
    await bench.check(
        *(
            Case(
                HEALTH,
                {name: value},
                f"The setting {name} (environment TRUNKLINE_{name.upper()}) is wrong",
                "It means",
                code=2,
            )
            for name, value in (
                ("internal_listen", "localhost"),
                ("internal_listen", "127.0.0.1:65536"),
                ("catalog_address", "http://127.0.0.1:1"),
                ("trust_domain", "Upper"),
                ("internal_ca_file", " "),
            )
        ),
        Case(HEALTH, {"internal_lisen": "x"}, "is not a setting", "TRUNKLINE_INTERNAL_LISTEN", 2),
    )
    assert not (bench.root / "data").exists()


async def test_addresses_that_cannot_be_had_are_told(bench: Bench) -> None:
    """Which, by which setting; and which would let tokens travel in the clear."""
    with taken() as address:
        await bench.check(
            Case(
                HEALTH,
                bench.internal("health", internal_listen=address),
                f"The address {address} cannot be listened on: it is taken",
                "choose another one with TRUNKLINE_INTERNAL_LISTEN",
            ),
            Case(
                ("serve", "health", "--listen", address),
                {},
                f"The address {address} cannot be listened on: it is taken",
                "choose another one with --listen or TRUNKLINE_LISTEN",
            ),
            Case(
                HEALTH,
                # Set aside for documentation: no machine has it.
                bench.internal("health", internal_listen="192.0.2.1:50061"),
                "The address 192.0.2.1:50061 cannot be listened on: it is taken, or not this",
                "TRUNKLINE_INTERNAL_LISTEN",
            ),
            Case(
                ("serve", "health", "--listen", "0.0.0.0:0"),
                {},
                "The address 0.0.0.0:0 can be reached from other machines, and tokens and keys"
                " would travel there in the clear.",
                "TRUNKLINE_PUBLIC_CERTIFICATE_FILE",
            ),
        )
    assert not list((bench.root / "data" / "run").glob("*.sock"))


async def test_each_service_has_an_address_of_its_own(bench: Bench) -> None:
    """Four of them start on one machine with nothing set; the first that is named counts."""
    ports = {"inference": 50051, "credential": 50052, "catalog": 50053, "health": 50054}
    with contextlib.ExitStack() as stack:
        for port in ports.values():
            stack.enter_context(taken(port))
        await bench.check(
            *(
                Case(
                    ("serve", *names),
                    {},
                    f"The address 127.0.0.1:{ports[names[0]]} cannot be listened on",
                    "--listen",
                )
                for names in (*((name,) for name in ports), ("catalog", "inference"))
            )
        )


async def test_programs_are_told_in_json(bench: Bench) -> None:
    """One object on standard error, whose reason tells settings from the rest."""
    cases = [
        Case((*HEALTH, "--json"), {"internal_listen": "127.0.0.1:0"}, "", ""),
        Case((*HEALTH, "--json"), {"internal_listen": "nowhere"}, "", ""),
    ]
    startup, settings = (
        json.loads(done.err)["error"] for done in await bench.start(cases) if not done.out
    )
    assert (startup["reason"], startup["code"]) == ("STARTUP", "FAILED_PRECONDITION")
    assert startup["message"].startswith("The setting internal_listen needs mutual TLS")
    assert (settings["reason"], settings["code"]) == ("SETTINGS", "INVALID_ARGUMENT")
    assert startup["advice"]
    assert settings["advice"]
