"""The kernels README works step by step."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "kernels" / "README.md").read_text(encoding="utf-8")

pytest.importorskip("triton", reason="Triton is not installed")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kernel, suite, own = blocks("python")
    (tmp_path / "test_halve.py").write_text(own)
    (tmp_path / "my_codes.py").write_text(kernel)
    (tmp_path / "test_my_codes.py").write_text(suite)
    return tmp_path


def run(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_five_steps_work(folder: Path) -> None:
    result = run(folder)
    assert result.returncode == 0, result.stdout
    assert re.search(r"\d+ passed", result.stdout)
    entry = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]["resizekit"]
    assert entry == {"my-codes": "my_codes"}
    loaded = subprocess.run(
        [sys.executable, "-c", "import my_codes; print(next(iter(my_codes.resizekit_register_kernels())).op)"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert loaded.stdout == "to_uint8\n"


def test_mistake_in_the_kernel_is_detected(folder: Path) -> None:
    path = folder / "my_codes.py"
    path.write_text(path.read_text().replace("to_level(value)", "(value * 255)"))
    result = run(folder, "-k", "equal_to_the_reference")
    assert result.returncode == 1, result.stdout
    assert "differs in" in result.stdout
