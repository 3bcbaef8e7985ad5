"""Weights in folders and in repositories of the Hugging Face Hub: `Codec.from_pretrained` and its counterparts.

A folder holds `model.safetensors`, which `resizekit.load` reads with all its checks, `config.json` with the name and
the digest of the weights, and a model card. Nothing in it is executed or unpickled.
"""

import re
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resizekit.codec import Codec
from resizekit.errors import CheckpointError, MissingExtraError, UsageError
from resizekit.pictures.manifest import NAME
from resizekit.recipes.checkpoint import MODEL, load_file, save
from resizekit.system.atomic_write import atomic_write
from resizekit.system.printable import escaped

__all__ = ["from_pretrained", "push_to_hub", "save_pretrained"]

CONFIG, CARD = "config.json", "README.md"
_LIMIT = 2**16
"""Largest `config.json` in bytes."""
_REPO = r"[\w.-]+/[\w.-]+"
_FOLDER = r"(\.{1,2}|~[^/\\]*)?[/\\].*"
"""Names that can only be a folder, such as `./weights`."""


class Config(BaseModel):
    """The content of `config.json`."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    library_name: str = "resizekit"
    name: Annotated[str, Field(pattern=NAME)]
    """Name of the weights, as in the manifests of their small files."""
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """`Codec.digest` of the weights."""
    task: str
    spec: str
    """Factors of height, width and channels."""


def from_pretrained(
    source: str | Path,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    times: int | None = None,
    device: str | torch.device = "cpu",
    precision: str = "float32",
) -> Codec:
    """Load a codec; the arguments and errors are those of `Codec.from_pretrained`."""
    folder = Path(source)
    if not folder.is_dir():
        folder = _downloaded(
            str(source),
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        )
    config = _read_config(folder / CONFIG)
    return load_file(folder / MODEL, config.name, config.digest, times=times, device=device, precision=precision)


def save_pretrained(codec: Codec, folder: str | Path, *, name: str | None = None) -> None:
    """Save a codec; the arguments and errors are those of `Codec.save_pretrained`."""
    folder = Path(folder)
    name = name or codec.info.weights or folder.resolve().name
    if re.fullmatch(NAME, name) is None:
        raise UsageError(
            f"invalid name {name[:80]!r} of weights: expected at most 64 lower-case letters, digits, dots, - and _; "
            "pass name="
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: pass a folder, such as {folder.with_suffix('')}")
    folder.mkdir(parents=True, exist_ok=True)
    header = save(codec, folder / MODEL)
    config = Config(name=name, digest=header.digest, task=header.task, spec=header.spec)
    _write(folder / CONFIG, config.model_dump_json(indent=2) + "\n")
    if not (folder / CARD).exists():
        _write(folder / CARD, _card(config))


def push_to_hub(
    codec: Codec,
    repo_id: str,
    *,
    commit_message: str = "Upload weights of resizekit",
    private: bool | None = None,
    token: str | bool | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
) -> str:
    """Upload a codec; the arguments and errors are those of `Codec.push_to_hub`."""
    _check_repo(repo_id)
    api = _hub().HfApi(token=token, library_name="resizekit")
    name = codec.info.weights or repo_id.split("/")[1].lower()
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(codec, folder, name=name)
        try:
            repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
            # a card that the owner has edited stays
            edited = [CARD] if api.file_exists(repo_id, CARD) else None
            commit = api.upload_folder(
                repo_id=repo_id,
                folder_path=folder,
                commit_message=commit_message,
                revision=branch,
                create_pr=create_pr,
                ignore_patterns=edited,
            )
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"cannot upload to {repo_id} ({escaped(error, 500)}): check the network, the name and the token"
            ) from None
    return str(commit)


def _downloaded(repo_id: str, **options: object) -> Path:
    """Return the folder of one revision of a repository in the cache, after a download of what it lacks."""
    if re.fullmatch(_FOLDER, repo_id, re.DOTALL):
        raise CheckpointError(f"no folder {escaped(repo_id)}: name a folder that Codec.save_pretrained wrote")
    _check_repo(repo_id)
    try:
        return Path(_hub().snapshot_download(repo_id, allow_patterns=[MODEL, CONFIG], **options))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot download {repo_id} ({escaped(error, 500)}): check the network, the name and the token"
        ) from None


def _check_repo(repo_id: str) -> None:
    if re.fullmatch(_REPO, repo_id) is None:
        raise CheckpointError(
            f"no folder {escaped(repo_id)}, and not the name of a repository: expected OWNER/NAME; to load installed "
            "weights or a file, call resizekit.load"
        )


def _hub() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError:
        raise MissingExtraError('repositories of weights need huggingface_hub: pip install "resizekit[hub]"') from None
    return huggingface_hub


def _read_config(path: Path) -> Config:
    try:
        with path.open("rb") as file:
            text = file.read(_LIMIT + 1)
        if len(text) > _LIMIT:
            raise CheckpointError(f"{path} has over {_LIMIT} bytes, too many for a config of resizekit")
        return Config.model_validate_json(text)
    except FileNotFoundError:
        raise CheckpointError(
            f"no {CONFIG} in {path.parent}: name a folder or repository that Codec.save_pretrained wrote"
        ) from None
    except (OSError, ValidationError) as error:
        problems = error.errors(include_url=False, include_input=False) if isinstance(error, ValidationError) else []
        key = ".".join(str(part) for part in problems[0]["loc"]) if problems else ""
        reason = f"{key}: {problems[0]['msg']}" if problems else str(error)
        raise CheckpointError(
            f"{path} is not a config of resizekit ({escaped(reason, 120)}): save the codec with save_pretrained"
        ) from None


def _write(path: Path, text: str) -> None:
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _card(config: Config) -> str:
    return f"""---
library_name: resizekit
tags:
- resizekit
- image-downscaling
---

# {config.name}

Weights of resizekit for the task `{config.task}`, with the factors {config.spec}. The encoder makes a picture small,
and the decoder restores it.

```python
import resizekit

codec = resizekit.Codec.from_pretrained("OWNER/NAME")  # this repository, or a local copy of it
small = resizekit.down_bytes("photo.jpg", weights=codec)
restored = resizekit.up_bytes(small, weights=codec)
```

SHA-256 of the parameters: `{config.digest}`.
"""
