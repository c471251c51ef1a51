"""Run the matrix: `PYTHONPATH=tests python -m fidelity`."""

from __future__ import annotations

import sys

from fidelity.page import is_stale, write
from fidelity.table import LEAST, LEAST_NAMED, losses, matrix_rows, named, run_all, share


def main(arguments: list[str]) -> int:
    """Print the matrix and every loss with its reason; with `--write`, write the page too.

    Returns:
        0; 1 when too little arrives, a loss is not told, or the page is stale.
    """
    outcomes = run_all()
    print("Percent that arrives, as it is or told in another form: named features / all features")
    for row in matrix_rows(outcomes):
        print("".join(f"{cell:<18}" for cell in row).rstrip())
    of_named, of_all = share(named(outcomes)), share(outcomes.values())
    print(f"All pairs: {of_named:.1f} / {of_all:.1f}, of {len(outcomes)} cells\n")
    for target, how, feature, sources, reason in losses(outcomes):
        print(f"to {target}, {how}: {feature} (from {sources}). {reason}")
    faults = [f"{cell}: {fault}" for cell, outcome in outcomes.items() for fault in outcome.faults]
    if of_named < LEAST_NAMED or of_all < LEAST:
        faults.append(f"Less than {LEAST_NAMED} / {LEAST} arrives.")
    if "--write" in arguments:
        write(outcomes)
    elif is_stale(outcomes):
        faults.append("docs/providers.md is stale; `make providers` writes it.")
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
