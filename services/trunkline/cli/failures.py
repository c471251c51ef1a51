"""How a command fails: one sentence what, one what to do, and an exit code for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Protocol, runtime_checkable

from trunkline.cli.text import clean, clean_line


class ExitCode(IntEnum):
    """What a script can tell from a command's end, beside 0."""

    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_ALLOWED = 4
    # 128 and the number of SIGINT, as shells have it.
    INTERRUPTED = 130


class Failure(Exception):
    """A command cannot do what it was asked to.

    Args:
        what: one sentence: what is wrong.
        advice: one or two sentences: what to do.
        exit_code: of the process.
        reason: for programs: a value of a package's `ErrorReason` without prefix, or one
            of our own for what no server said (`USAGE`, `UNREACHABLE`, …).
        code: the name of the gRPC status, or of the one that fits.
        metadata: for programs, as the reason's comment promises.
        details: further lines for people, without their ends.
    """

    def __init__(
        self,
        what: str,
        advice: str,
        *,
        exit_code: ExitCode = ExitCode.FAILED,
        reason: str = "FAILED",
        code: str = "UNKNOWN",
        metadata: Mapping[str, str] | None = None,
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.exit_code = exit_code
        self.reason = reason
        self.code = code
        self.metadata = dict(metadata or {})
        self.details = details


def wrong_usage(what: str, advice: str, *, details: tuple[str, ...] = ()) -> Failure:
    """Return the failure of a command that was called wrong."""
    return Failure(
        what,
        advice,
        exit_code=ExitCode.USAGE,
        reason="USAGE",
        code="INVALID_ARGUMENT",
        details=details,
    )


def interrupted(what: str, advice: str) -> Failure:
    """Return the failure of a command that its user ended with Ctrl-C."""
    return Failure(
        what, advice, exit_code=ExitCode.INTERRUPTED, reason="INTERRUPTED", code="CANCELLED"
    )


@runtime_checkable
class Told(Protocol):
    """An error that says in one sentence what is wrong and in another what to do.

    The services' errors at start are such; knowing them by their shape saves importing
    the services here.
    """

    what: str
    advice: str


def explain(error: Exception) -> Failure:
    """Return the failure that an error of a command means.

    Args:
        error: what the command raised. Nothing of an unexpected one but its type and place
            is told, since its text may hold anything.
    """
    if isinstance(error, Failure):
        return error
    if isinstance(error, Told):
        is_setting = type(error).__name__ == "SettingsError"
        return Failure(
            error.what,
            error.advice,
            exit_code=ExitCode.USAGE if is_setting else ExitCode.FAILED,
            reason="SETTINGS" if is_setting else "STARTUP",
            code="INVALID_ARGUMENT" if is_setting else "FAILED_PRECONDITION",
        )
    if isinstance(error, UnicodeError):
        return wrong_usage(
            "An argument is no valid UTF-8.", "Write it in UTF-8, which is all that is sent."
        )
    return Failure(
        f"Something failed in the command line itself: {type(error).__name__}{_place(error)}.",
        "This is a fault of ours; please report it with what you typed, without secrets.",
        reason="INTERNAL",
        code="INTERNAL",
    )


def show(failure: Failure, *, as_json: bool) -> None:
    """Print a failure on standard error."""
    if as_json:
        error = {
            "reason": failure.reason,
            "code": failure.code,
            "message": failure.what,
            "advice": failure.advice,
            "metadata": failure.metadata,
        }
        sys.stderr.write(json.dumps({"error": error}) + "\n")
    else:
        lines = [clean(failure.what), *(f"  {clean_line(line)}" for line in failure.details)]
        sys.stderr.write("\n".join([*lines, clean(failure.advice)]) + "\n")
    sys.stderr.flush()


def _place(error: Exception) -> str:
    """Tell the file and line where an error was raised."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return ""
    return f" in {traceback.tb_frame.f_globals.get('__name__')}, line {traceback.tb_lineno}"
