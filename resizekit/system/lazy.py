"""Import the public names of a package on first use, so that importing the package stays fast."""

import importlib
import sys
from collections.abc import Callable, Mapping

__all__ = ["lazy_names"]


def lazy_names(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Create the functions `__getattr__` and `__dir__` of a package (PEP 562).

    Args:
        package: Name of the package, its `__name__`.
        modules: Module that defines each public name. A name that equals the last part of its module stands for the
            module itself.

    Returns:
        The two functions, to be assigned to `__getattr__` and `__dir__` in the package.
    """

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(modules[name])
        value = module if modules[name].rpartition(".")[2] == name else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted(modules)
