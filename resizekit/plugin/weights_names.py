"""List the installed weights by a pattern."""

from fnmatch import fnmatchcase

from resizekit.plugin.registry import installed

__all__ = ["list_weights"]


def list_weights(pattern: str = "*") -> list[str]:
    """List the names of installed weights, those of all plugins and distributions.

    Args:
        pattern: Shell pattern that the names must match: `*`, `?` and `[...]`.

    Returns:
        The names in alphabetical order.

    Examples:
        >>> list_weights("sr-x?-fast")
        ['sr-x2-fast', 'sr-x4-fast']
    """
    return sorted(name for name in installed().weights if fnmatchcase(name, pattern))
