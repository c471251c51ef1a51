"""Run the bench: `PYTHONPATH=tests python -m bench`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from types import FrameType

from bench.child import ChildFailed
from bench.harness import Bench, BenchStopped
from bench.plan import Part, Plan, read_parts
from bench.report import describe, format_tables


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure what a chat costs: straight to a stand-in provider (a), through a "
        "bare relay (b), through `trunkline up` (c), through four processes (d); "
        "what a fallback, a durable journal and a killed process take; and what each format's "
        "decoder takes.",
    )
    parser.add_argument("--gate", action="store_true", help="exit 1 when a figure does not pass")
    parser.add_argument("--quick", action="store_true", help="a few minutes; for a look")
    parser.add_argument(
        "--only",
        type=read_parts,
        default=frozenset(Part),
        metavar="PART,…",
        help=f"of {', '.join(Part)}; fleet adds (d) to the parts beside it, alone to all of them",
    )
    parser.add_argument("--without-gateway", action="store_true", help="measure (a) and (b) only")
    return parser.parse_args()


def _interrupt(signum: int, frame: FrameType | None) -> None:
    # Once is enough: a second one would leave behind what the first has not stopped yet.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.alarm(0)
    if signum == signal.SIGALRM:
        raise BenchStopped("it took longer than it may")
    raise KeyboardInterrupt


def main() -> int:
    """Run the bench; print a table and, last, one line of JSON.

    Returns:
        0; 1 with `--gate` when a figure did not pass; 2 when the bench could not measure; 130 when
        it was interrupted.
    """
    options = _read_options()
    make = Plan.quick if options.quick else Plan.whole
    plan = make(options.only, gateway=not options.without_gateway)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(signum, _interrupt)
    signal.alarm(plan.limit_seconds)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        bench = Bench(plan, say)
        verdicts = bench.run()
    except KeyboardInterrupt:
        say("interrupted; every process of the bench is stopped")
        return 130
    except (BenchStopped, ChildFailed) as error:
        say(f"The bench stopped: {error}")
        print(json.dumps({"stopped": str(error), "passed": False}, ensure_ascii=False))
        return 2
    signal.alarm(0)
    print(format_tables(verdicts, bench.samples))
    passed = all(verdict.passed is True for verdict in verdicts)
    slow_relay = bench.samples.find_slow_relay()
    if slow_relay is not None:
        # A slow relay makes every ratio easy.
        print(f"Nothing passes: {slow_relay}")
        passed = False
    report = describe(verdicts, bench.samples) | {"passed": passed}
    print(json.dumps(report, ensure_ascii=False))
    return 1 if options.gate and not passed else 0


if __name__ == "__main__":
    sys.exit(main())
