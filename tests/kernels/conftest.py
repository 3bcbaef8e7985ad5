"""What tests of kernel families share; the file test_X.py holds those of the family X."""

from importlib import import_module

import pytest


@pytest.fixture
def no_launch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every launch of the family under test an error."""

    def launch(*_: object, **__: object) -> None:
        raise AssertionError("a kernel was launched")

    family = import_module(f"resizekit_kernels.{request.path.stem.removeprefix('test_')}")
    monkeypatch.setattr(family, "_launch", launch)
