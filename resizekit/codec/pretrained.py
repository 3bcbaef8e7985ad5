"""Methods of a codec that load and save it in a folder or a repository of the Hugging Face Hub."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

if TYPE_CHECKING:
    from resizekit.codec.codec import Codec

__all__ = ["Pretrained"]

_BACKEND = "resizekit.recipes.pretrained"
"""The module that reads and writes weights. It lies above the codec, so it is imported by name when a method is called;
tests/test_architecture.py lists this exception."""


class Pretrained:
    """The methods `from_pretrained`, `save_pretrained` and `push_to_hub`, as models of the Hugging Face Hub have them.

    huggingface_hub is imported only where a repository is read or written, and not for folders.
    """

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        times: int | None = None,
        device: str | torch.device = "cpu",
        precision: str = "float32",
    ) -> "Codec":
        """Load a codec from a folder, or from a repository of the Hugging Face Hub, which is cached.

        The weights file is loaded as by `resizekit.load`, with the same checks. Set the environment variable
        HF_HUB_OFFLINE=1, or `local_files_only`, to use the cache only.

        Args:
            pretrained_model_name_or_path: A folder that `save_pretrained` wrote, or a repository, OWNER/NAME.
            revision: Branch, tag or commit of the repository; None: its main branch.
            token: Access token; None: that of the login, if there is one.
            cache_dir: Folder of the cache; None: that of huggingface_hub.
            force_download: Download files that are in the cache.
            local_files_only: Never download.
            times: As for `resizekit.load`; None: as the folder or repository defines.
            device: As for `resizekit.load`.
            precision: As for `resizekit.load`.

        Returns:
            The codec, with the name and the digest that it was saved with.

        Raises:
            CheckpointError: The folder or repository does not exist, cannot be downloaded, or does not hold intact
                weights of resizekit.
            MissingExtraError: huggingface_hub is not installed, and the argument is not a folder.
            UsageError: The networks cannot be applied `times` times.

        Examples:
            >>> import tempfile, resizekit
            >>> folder = tempfile.mkdtemp()
            >>> resizekit.load("sr-x2-fast").save_pretrained(folder)
            >>> resizekit.Codec.from_pretrained(folder).info.weights
            'sr-x2-fast'
        """
        codec = _backend().from_pretrained(
            pretrained_model_name_or_path,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            times=times,
            device=device,
            precision=precision,
        )
        return cast("Codec", codec)

    def save_pretrained(self, save_directory: str | Path, *, name: str | None = None) -> None:
        """Save the codec in a folder: `model.safetensors`, `config.json` and a model card.

        Files of an earlier save are replaced, except for the model card.

        Args:
            save_directory: The folder; it is created if it is missing.
            name: Name of the weights for manifests; None: their present name, or that of the folder.

        Raises:
            CheckpointError: As for `resizekit.save`.
            UsageError: A manifest cannot hold the name.
        """
        _backend().save_pretrained(self, save_directory, name=name)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str = "Upload weights of resizekit",
        private: bool | None = None,
        token: str | bool | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
    ) -> str:
        """Upload the files of `save_pretrained` to a repository of the Hugging Face Hub.

        Args:
            repo_id: The repository, OWNER/NAME; it is created if it is missing. An existing model card stays.
            commit_message: Message of the commit.
            private: Whether a new repository is private; None: the default of the owner.
            token: Access token; None: that of the login.
            branch: Branch to commit to; None: the main branch.
            create_pr: Whether to open a pull request with the commit.

        Returns:
            The address of the commit.

        Raises:
            CheckpointError: As for `resizekit.save`, or the upload failed.
            MissingExtraError: huggingface_hub is not installed.
        """
        url = _backend().push_to_hub(
            self,
            repo_id,
            commit_message=commit_message,
            private=private,
            token=token,
            branch=branch,
            create_pr=create_pr,
        )
        return str(url)


def _backend() -> Any:
    return importlib.import_module(_BACKEND)
