"""Fixtures for the tests of kernel modules; test_X.py tests the module X."""

from importlib import import_module

import pytest


@pytest.fixture
def no_launch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every launch of the module under test an error."""

    def launch(*_: object, **__: object) -> None:
        raise AssertionError("a kernel was launched")

    module = import_module(f"resizekit_kernels.{request.path.stem.removeprefix('test_')}")
    monkeypatch.setattr(module, "_launch", launch)
