"""The blocks of docs/pipelines.md that need other libraries run where these are installed."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch

PAGE = (Path(__file__).parents[1] / "docs/pipelines.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|py)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
SETUP = BLOCKS[0][1]
OPTIONAL = [source for language, source in BLOCKS if language == "py"]


def test_every_block_has_at_most_ten_lines():
    assert len(BLOCKS) >= 8
    assert not [source for _, source in BLOCKS if len([line for line in source.splitlines() if line]) > 10]


@pytest.mark.parametrize("library", ["torchvision", "albumentations", "kornia"])
def test_block_of_a_library_halves_the_picture(library, monkeypatch):
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    (source,) = (source for source in OPTIONAL if re.search(rf"^(?:from|import) {library}\b", source, re.MULTILINE))
    try:
        importlib.import_module(library)
    except ImportError:
        pytest.skip(f"{library} is not installed")
    except RuntimeError as error:  # it has compiled operators
        pytest.skip(f"{library} was built for another version of torch: {error}")
    names = ModuleType("page").__dict__
    exec(compile(SETUP + source, "docs/pipelines.md", "exec"), names)  # noqa: S102 - the project's own page
    shape = tuple(names["low"].shape)
    assert shape == {"torchvision": (3, 32, 48), "albumentations": (32, 48, 3), "kornia": (1, 3, 32, 48)}[library]


def test_block_of_the_compiler_restores_the_picture(monkeypatch):
    (source,) = (source for source in OPTIONAL if "torch.compile(" in source)
    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda *args, **options: compiler(*args, **options, backend="eager"))
    names = ModuleType("page").__dict__
    torch.compiler.reset()
    exec(compile(SETUP + source, "docs/pipelines.md", "exec"), names)  # noqa: S102 - the project's own page
    assert torch.equal(names["restored"], names["codec"].up(names["picture"]))
