"""The sidecar of a small file: a file next to it with the text of its manifest."""

from pathlib import Path

from resizekit.errors import ManifestError
from resizekit.pictures.manifest import LIMIT, Manifest
from resizekit.system.atomic_write import atomic_write, check_target

__all__ = ["read_sidecar", "sidecar_of", "write_sidecar"]


def sidecar_of(path: str | Path) -> Path:
    """Return the sidecar of a small file.

    Examples:
        >>> sidecar_of("photos/small.png").name
        'small.png.json'
    """
    path = Path(path)
    return path.with_name(f"{path.name}.json")


def write_sidecar(path: str | Path, manifest: Manifest, *, overwrite: bool = False) -> None:
    """Write the manifest of a small file into its sidecar.

    Raises:
        UsageError: If the sidecar exists and `overwrite` is false, or cannot be written.
    """
    target = sidecar_of(path)
    check_target(target, overwrite=overwrite)
    with atomic_write(target, overwrite=overwrite) as temporary:
        temporary.write_text(manifest.to_text() + "\n", encoding="utf-8")


def read_sidecar(path: str | Path) -> str | None:
    """Return the text of the sidecar of a small file, not validated; None if there is no such file.

    Raises:
        ManifestError: The sidecar cannot be read.
    """
    sidecar = sidecar_of(path)
    if not sidecar.is_file():
        return None
    try:
        with sidecar.open("rb") as file:
            return file.read(LIMIT).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot read the manifest {sidecar}: {error}") from None
