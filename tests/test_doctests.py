"""The `>>>` examples in docstrings run, and the functions that users call have one.

Each module's examples run in a folder that contains `photo.png`, a small colour photograph.
"""

import doctest
import importlib
import inspect
import shutil
from pathlib import Path

import pytest
from PIL import Image

import resizekit

ROOT = Path(__file__).parents[1]
PACKAGES = [ROOT / "resizekit", *sorted((ROOT / "plugins").glob("resizekit_*")), ROOT / "kernels/resizekit_kernels"]
MODULES = {
    ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
    for package in PACKAGES
    for path in package.rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
}
FUNCTIONS = sorted(name for name in resizekit.__all__ if inspect.isfunction(getattr(resizekit, name)))


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    with Image.open(ROOT / "examples/astronaut.png") as image:
        image.crop((192, 64, 256, 128)).save(path)
    return path


@pytest.mark.parametrize("name", sorted(MODULES))
def test_examples_of_the_module_run(name, photo, tmp_path, monkeypatch):
    if name.startswith("resizekit_kernels"):
        pytest.importorskip("triton", reason="Triton is not installed")
    if name.startswith("resizekit.exporting"):
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
        pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    shutil.copy(photo, tmp_path)
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(test, out=report.append)
    results = runner.summarize(verbose=False)
    assert results.attempted, f"{name} contains >>>, but no docstring with an example"
    assert not results.failed, "".join(report)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_have_an_example(name):
    assert ">>>" in (inspect.getdoc(getattr(resizekit, name)) or ""), f"resizekit.{name} has no example"
