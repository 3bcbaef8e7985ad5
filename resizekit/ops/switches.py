"""Switch kernels off: for the process by an environment variable, and for a block with `resizekit.ops.references`.

RESIZEKIT_KERNELS=off                        every op runs its reference
RESIZEKIT_KERNELS=-unshuffle_guide,-shuffle  these ops run their references
"""

import os
import threading
import warnings
from collections.abc import Collection

__all__ = ["SWITCH", "KernelWarning", "check_environment", "environment_reason", "is_off", "switch"]

SWITCH = "RESIZEKIT_KERNELS"
"""Environment variable: "off", or ops to switch off such as "-shuffle,-unshuffle"; empty or "on" means all kernels."""
_OFF, _ON = ("off", "0", "no", "false"), ("", "on", "1", "yes", "true")


class KernelWarning(UserWarning):
    """A kernel cannot be built, or RESIZEKIT_KERNELS has an unknown value: references run, or kernels stay on."""


_value = os.environ.get(SWITCH, "").strip().lower()
_words = () if _value in _OFF + _ON else tuple(word.strip() for word in _value.split(",") if word.strip())
_ops_off = frozenset(word[1:] for word in _words if word.startswith("-"))
"""Names of the ops that the environment switches off."""

# The number of open `references()` blocks for all ops and for single ops; the environment counts as a block that never
# ends. These are variables of the module, for all threads, because torch.compile guards them: it cannot trace a
# ContextVar, and it traces a threading.local without a guard, so that compiled code would miss later changes.
_all_off = int(_value in _OFF)
_some_off = dict.fromkeys(_ops_off, 1)
_lock = threading.Lock()


def is_off(op: str) -> bool:
    """Return whether an op must run its reference now."""
    return bool(_all_off or _some_off.get(op))


def environment_reason(op: str) -> str | None:
    """Return the environment variable with its value if it switches an op off."""
    return f"{SWITCH}={_value}" if _value in _OFF or op in _ops_off else None


def check_environment(op_names: Collection[str]) -> None:
    """Warn about each word of the environment variable that has no effect."""
    wrong = [word for word in _words if word[1:] not in op_names or not word.startswith("-")]
    if wrong:
        message = (
            f"{SWITCH} has no effect with {', '.join(map(repr, wrong))[:200]}: expected off, or ops to switch off such "
            f"as -shuffle,-unshuffle; ops: {', '.join(sorted(op_names))}"
        )
        warnings.warn(message, KernelWarning, stacklevel=3)


def switch(ops: tuple[str, ...], change: int) -> None:
    """Count a block that starts (1) or ends (-1) for the named ops; for all ops if there is no name."""
    global _all_off
    with _lock:  # a read and a write: two threads could interleave and lose a change
        if not ops:
            _all_off += change
        for name in ops:
            _some_off[name] = _some_off.get(name, 0) + change
