"""Values that follow from the weights of a module, such as weights in half precision: computed once, and kept."""

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

__all__ = ["derived"]

T = TypeVar("T")

_known: "weakref.WeakKeyDictionary[nn.Module, dict[str, tuple[Any, Any]]]" = weakref.WeakKeyDictionary()


def derived(module: nn.Module, name: str, make: Callable[[], T]) -> T:
    """Return `make()`, computed again only after the weights of the module have changed.

    With gradients, and in code for the compiler, it is computed at each call.

    Args:
        module: The module; the value is forgotten with it, and neither copied nor saved.
        name: Name of the value, one per kind of value and everything else that it depends on.
        make: Computes the value from the weights.
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return make()
    # tensors of the inference mode have no version, and cannot be changed outside of it
    state = [(p.data_ptr(), 0 if p.is_inference() else p._version) for p in module.parameters()]
    values = _known.setdefault(module, {})
    known = values.get(name)
    if known is None or known[0] != state:
        known = values[name] = state, make()
    value: T = known[1]
    return value
