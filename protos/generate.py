"""Generate the Python code of the contract, and hold the contract against its rules.

    python protos/generate.py            write the generated modules
    python protos/generate.py --check    fail when a committed module is stale
    python protos/generate.py --lint     buf lint and buf format

Third-party protos come from installed packages and none is copied here:
`google/api` from googleapis-common-protos, `buf/validate/validate.proto` as the
descriptor that protovalidate's wheel carries (it ships no `.proto`).
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.resources
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
SERVICES = PROTOS.parent / "services"
WELL_KNOWN = ("descriptor", "duration", "field_mask", "timestamp")


def contract_files() -> list[str]:
    """Return every `.proto` of the contract, relative to `protos/`, sorted."""
    return sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))


def write_rules(target: Path) -> Path:
    """Write protovalidate's own descriptor, with what it imports, as a set for protoc."""
    from protovalidate._gen.buf.validate import validate_pb

    rules = descriptor_pb2.FileDescriptorSet()
    for name in WELL_KNOWN:
        module = __import__(f"google.protobuf.{name}_pb2", fromlist=["DESCRIPTOR"])
        module.DESCRIPTOR.CopyToProto(rules.file.add())
    rules.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    path = target / "validate.binpb"
    path.write_bytes(rules.SerializeToString())
    return path


def run_protoc(scratch: Path, *arguments: str) -> None:
    """Run protoc over the contract; exit with its message when it refuses."""
    google = importlib.resources.files("grpc_tools") / "_proto"
    common = Path(annotations_pb2.__file__).parents[2]
    command = [
        "protoc",
        f"--descriptor_set_in={write_rules(scratch)}",
        f"-I{PROTOS}",
        f"-I{google}",
        f"-I{common}",
        *arguments,
    ]
    if protoc.main(command) != 0:  # type: ignore[no-untyped-call] # grpcio-tools has no types
        sys.exit("protoc refused the contract")


def generate(target: Path) -> None:
    """Generate messages, stubs and their type stubs below `target`."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        run_protoc(
            Path(scratch),
            f"--python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--grpc_python_out={target}",
            f"--mypy_grpc_out=quiet:{target}",
            *contract_files(),
        )
        # The contract's modules import the rules by their import path.
        run_protoc(
            Path(scratch),
            f"--python_out={target}",
            f"--mypy_out=quiet:{target}",
            "buf/validate/validate.proto",
        )
    for stub in target.rglob("*_pb2_grpc.py*"):
        if not declares_service(target, stub):
            stub.unlink()


def declares_service(target: Path, stub: Path) -> bool:
    """Tell whether the proto behind a generated stub declares a service."""
    proto = PROTOS / stub.relative_to(target).with_name(stub.name.split("_pb2_grpc")[0] + ".proto")
    return any(line.startswith("service ") for line in proto.read_text().splitlines())


def generated_files(root: Path) -> set[str]:
    """Return the generated files below `root`, relative to it."""
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*_pb2*.py*")
        if "__pycache__" not in path.parts
    }


def check() -> int:
    """Compare a fresh generation with what is committed; return the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        names = generated_files(fresh) | generated_files(SERVICES)
        stale = [
            name
            for name in sorted(names)
            if not (fresh / name).exists()
            or not (SERVICES / name).exists()
            or not filecmp.cmp(fresh / name, SERVICES / name, shallow=False)
        ]
    for name in stale:
        print(f"stale: services/{name}")
    if stale:
        print("run `make generate` and commit what it writes")
    return 1 if stale else 0


def lint() -> int:
    """Run `buf lint` on the compiled contract and `buf format` on its text."""
    buf = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")
    if buf is None:
        sys.exit("buf is missing: install the `dev` dependency group")
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch) / "contract.binpb"
        run_protoc(
            Path(scratch),
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={image}",
            *contract_files(),
        )
        paths = [f"--path={name}" for name in contract_files()]
        linted = subprocess.run(  # noqa: S603 - our own arguments
            [buf, "lint", str(image), "--config", str(PROTOS / "buf.yaml"), *paths], check=False
        )
    formatted = subprocess.run(  # noqa: S603 - our own arguments
        [buf, "format", str(PROTOS), "--diff", "--exit-code"], check=False
    )
    return linted.returncode or formatted.returncode


def main() -> int:
    """Do what the command line asks; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="fail when generated code is stale")
    parser.add_argument("--lint", action="store_true", help="hold the contract to buf's rules")
    asked = parser.parse_args()
    if asked.check:
        return check()
    if asked.lint:
        return lint()
    generate(SERVICES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
