"""Make all pictures of a folder small in two processes: `python many_pictures.py FOLDER OUT`.

Run it again to continue.
"""

import sys
from collections import Counter

import resizekit


def main() -> None:
    """Print the pictures that failed, and count the outcomes."""
    folder, out = sys.argv[1:]
    counts = Counter[str]()
    for outcome in resizekit.down_many(folder, out, weights="sr-x2-fast", jobs=2, existing="skip"):
        counts[outcome.status] += 1
        if outcome.error is not None:
            print(outcome.error, file=sys.stderr)
    print(", ".join(f"{count} {status}" for status, count in sorted(counts.items())))


if __name__ == "__main__":  # the worker processes import this file
    main()
