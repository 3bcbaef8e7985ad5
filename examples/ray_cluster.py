"""Make pictures small on a cluster: `python ray_cluster.py FOLDER OUT`, both on storage that all machines share.

pip install '.[ray]' (in a clone of resizekit)
"""

import sys
from collections import Counter

import resizekit.ray

try:
    import ray
except ImportError:
    raise SystemExit("this example needs Ray: pip install '.[ray]' in a clone of resizekit") from None


def main() -> None:
    """Connect to the cluster of `ray start`, or start Ray on this machine. Run it again to continue."""
    folder, out = sys.argv[1:]
    pictures = ray.data.read_binary_files(folder, include_paths=True)
    small = resizekit.ray.down_dataset(pictures, weights="sr-x2-fast", out=out, base=folder)
    counts = Counter(row["status"] for row in small.iter_rows())
    print(", ".join(f"{count} {status}" for status, count in sorted(counts.items())))


if __name__ == "__main__":
    main()
