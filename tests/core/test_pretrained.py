"""Codecs in folders and in repositories of the Hugging Face Hub; no test uses the network."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import resizekit
from resizekit.errors import CheckpointError, MissingExtraError, UsageError
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.manifest import Manifest

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8)


@pytest.fixture(scope="module")
def codec():
    return resizekit.load("sr-x2-fast")


@pytest.fixture
def folder(codec, tmp_path):
    codec.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_folder_keeps_name_digest_and_pixels(codec, folder):
    again = resizekit.Codec.from_pretrained(folder)
    assert (again.info.weights, again.digest, again.training) == ("sr-x2-fast", codec.digest, False)
    assert np.array_equal(again.down(PIXELS), codec.down(PIXELS))
    manifest = Manifest.from_text(read_picture(resizekit.down_bytes(PIXELS, weights=again)).embedded_manifest, "x")
    assert (manifest.weights, manifest.digest) == ("sr-x2-fast", codec.digest)
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    config = json.loads((folder / "config.json").read_text())
    assert config == {
        "library_name": "resizekit",
        "name": "sr-x2-fast",
        "digest": codec.digest,
        "task": "sr",
        "spec": "s=2 r=2",
    }


def test_changes_of_a_codec_are_saved(codec, tmp_path):
    codec.replace(times=2, compression="webp").save_pretrained(str(tmp_path), name="mine")
    again = resizekit.Codec.from_pretrained(str(tmp_path), precision="bfloat16")
    assert (again.times, again.info.compression, again.info.weights) == (2, "webp", "mine")
    assert again.precision == "bfloat16"


def test_from_pretrained_applies_the_networks_several_times(folder):
    again = resizekit.Codec.from_pretrained(folder, times=2)
    assert (again.times, str(again.spec)) == (2, "s=4 r=4")


@pytest.mark.parametrize("source", ["saved", "./saved", Path("saved")])
def test_load_of_a_folder_names_from_pretrained(folder, monkeypatch, source):
    monkeypatch.chdir(folder.parent)
    with pytest.raises(CheckpointError, match=r"pass saved/model.safetensors, .*Codec.from_pretrained\('saved'\)"):
        resizekit.load(source)


def test_an_untrained_codec_is_named_after_its_folder(tmp_path):
    torch.manual_seed(0)
    fresh = resizekit.build("sr", network={"width": 8, "blocks": 1})
    fresh.save_pretrained(tmp_path / "my-first")
    assert resizekit.Codec.from_pretrained(tmp_path / "my-first").info.weights == "my-first"
    with pytest.raises(UsageError, match=r"invalid name 'Not a name' of weights: .*; pass name="):
        fresh.save_pretrained(tmp_path / "Not a name")


def test_a_second_save_keeps_the_model_card(folder, codec):
    assert codec.digest in (folder / "README.md").read_text()
    (folder / "README.md").write_text("edited")
    codec.save_pretrained(folder)
    assert (folder / "README.md").read_text() == "edited"


def remove_model(folder):
    (folder / "model.safetensors").unlink()


def remove_config(folder):
    (folder / "config.json").unlink()


def break_model(folder):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-3] ^= 64
    (folder / "model.safetensors").write_bytes(data)


def use_a_pickle(folder):
    torch.save({"weights": torch.zeros(3)}, folder / "model.safetensors")


BROKEN = {
    "no model": (remove_model, "no weights file at"),
    "no config": (remove_config, r"no config\.json in .*: name a folder or repository that Codec\.save_pretrained"),
    "changed values": (break_model, "holds other weights than its header describes|not finite"),
    "a pickle": (use_a_pickle, "is not a safetensors file"),
    "another digest": (lambda folder: change_config(folder, digest="0" * 64), "the digest differs"),
    "a path as name": (lambda folder: change_config(folder, name="../x"), r"not a config of resizekit \(name: "),
    "a list": (lambda folder: (folder / "config.json").write_text("[]"), "not a config of resizekit"),
    "no JSON": (lambda folder: (folder / "config.json").write_bytes(b"\xff{"), "not a config of resizekit"),
    "deep JSON": (lambda folder: (folder / "config.json").write_text("[" * 60000), "not a config of resizekit"),
    "huge": (lambda folder: (folder / "config.json").write_text(" " * 70000), "has over 65536 bytes"),
}


@pytest.mark.parametrize(("damage", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_folders_are_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(CheckpointError, match=message) as raised:
        resizekit.Codec.from_pretrained(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("source", ["sr-x2", "a/b/c", "no such folder"])
def test_other_names_are_refused_without_a_download(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="expected OWNER/NAME; to load installed weights or a file"):
        resizekit.Codec.from_pretrained(source)


@pytest.mark.parametrize("source", ["./nofolder", "../nofolder", "/no/folder", "~/nofolder", "~me/nofolder"])
def test_names_of_missing_folders_are_not_repositories(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=f"^no folder {source}: name a folder that Codec.save_pretrained wrote"):
        resizekit.Codec.from_pretrained(source)


# --- repositories ------------------------------------------------------------------------------


@pytest.fixture
def hub():
    return pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")


@pytest.fixture
def cache(folder, tmp_path):
    """A cache of huggingface_hub with one repository, as a download leaves it."""
    repo, commit = tmp_path / "cache" / "models--someone--fast", "0123456789abcdef0123456789abcdef01234567"
    snapshot = repo / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    for name in ("model.safetensors", "config.json"):
        (snapshot / name).write_bytes((folder / name).read_bytes())
    return tmp_path / "cache"


def test_a_cached_repository_is_loaded_without_network(hub, cache, codec):
    again = resizekit.Codec.from_pretrained("someone/fast", cache_dir=cache, local_files_only=True)
    assert (again.info.weights, again.digest) == ("sr-x2-fast", codec.digest)
    with pytest.raises(CheckpointError, match="cannot download someone/else"):
        resizekit.Codec.from_pretrained("someone/else", cache_dir=cache, local_files_only=True)


def test_the_offline_variable_uses_the_cache(hub, cache, codec):
    code = "import resizekit; print(resizekit.Codec.from_pretrained('someone/fast').digest)"
    env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120, check=True
    )
    assert done.stdout.strip() == codec.digest


def test_the_offline_error_is_complete(hub, tmp_path):
    with pytest.raises(CheckpointError, match=r"\.\): check the network"):
        resizekit.Codec.from_pretrained("someone/else", cache_dir=tmp_path, local_files_only=True)


def test_a_download_asks_for_two_files_of_one_revision(hub, folder, monkeypatch):
    calls = []

    def snapshot_download(repo_id, **options):
        calls.append((repo_id, options))
        return str(folder)

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    resizekit.Codec.from_pretrained("someone/fast", revision="v1", token="secret")
    assert calls == [
        (
            "someone/fast",
            {
                "allow_patterns": ["model.safetensors", "config.json"],
                "revision": "v1",
                "token": "secret",
                "cache_dir": None,
                "force_download": False,
                "local_files_only": False,
            },
        )
    ]


@pytest.mark.parametrize("has_card", [False, True])
def test_push_uploads_the_files_of_save_pretrained(hub, codec, tmp_path, monkeypatch, has_card):
    uploads = []

    class Api:
        def __init__(self, token, library_name):
            assert (token, library_name) == ("secret", "resizekit")

        def create_repo(self, repo_id, private, exist_ok):
            assert (private, exist_ok) == (True, True)
            return SimpleNamespace(repo_id=repo_id)

        def file_exists(self, repo_id, name):
            assert name == "README.md"
            return has_card

        def upload_folder(self, folder_path, **options):
            uploads.append(options)
            for path in Path(folder_path).iterdir():
                (tmp_path / path.name).write_bytes(path.read_bytes())
            return "https://hub/commit"

    monkeypatch.setattr(hub, "HfApi", Api)
    url = codec.push_to_hub("someone/fast", private=True, token="secret", branch="next")
    assert url == "https://hub/commit"
    assert uploads == [
        {
            "repo_id": "someone/fast",
            "commit_message": "Upload weights of resizekit",
            "revision": "next",
            "create_pr": None,
            "ignore_patterns": ["README.md"] if has_card else None,
        }
    ]
    assert resizekit.Codec.from_pretrained(tmp_path).digest == codec.digest


def test_failed_uploads_and_downloads_are_one_line(hub, codec, monkeypatch):
    class Api:
        def __init__(self, **options):
            pass

        def create_repo(self, *names, **options):
            raise OSError("401\nunauthorized")

    def snapshot_download(*names, **options):
        raise ValueError("bad\nname")

    monkeypatch.setattr(hub, "HfApi", Api)
    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    for call in (lambda: codec.push_to_hub("someone/fast"), lambda: resizekit.Codec.from_pretrained("someone/fast")):
        with pytest.raises(CheckpointError, match="check the network, the name and the token") as raised:
            call()
        assert "\n" not in str(raised.value)


def test_the_missing_extra_is_named_for_repositories_only(folder, codec, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert resizekit.Codec.from_pretrained(folder).digest == codec.digest
    for call in (lambda: codec.push_to_hub("a/b"), lambda: resizekit.Codec.from_pretrained("a/b")):
        with pytest.raises(MissingExtraError, match=r'pip install "resizekit\[hub\]"'):
            call()


def test_import_loads_no_hub_client():
    code = "import sys, resizekit; resizekit.load('sr-x2-fast'); print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"


# --- names of installed weights ----------------------------------------------------------------


def test_list_weights_matches_patterns_over_all_plugins(toy_weights):
    assert resizekit.list_weights("toy-*") == ["toy-rgb", "toy-y"]
    names = resizekit.list_weights()
    assert names == sorted(names)
    assert {"sr-x2", "colorize", "extreme", "toy-rgb"} <= set(names)
    assert resizekit.list_weights("sr-x[24]") == ["sr-x2", "sr-x4"]
    assert resizekit.list_weights("SR-*") == resizekit.list_weights("nothing") == []


def test_save_pretrained_on_a_file_is_refused(codec, tmp_path):
    (tmp_path / "model.bin").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"model\.bin is a file: pass a folder, such as .*model$"):
        codec.save_pretrained(tmp_path / "model.bin", name="mine")
    assert (tmp_path / "model.bin").read_bytes() == b"mine"
