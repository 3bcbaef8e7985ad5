"""The errors of resizekit: each message is one line with the value, what was expected and the fix."""


class ResizeKitError(Exception):
    """Base class: catch it to catch every error of resizekit. The command line exits with `exit_code`."""

    exit_code = 1


class UsageError(ResizeKitError):
    """A request that cannot work, such as contradictory options or an output file that exists."""

    exit_code = 2


class ConfigError(UsageError):
    """An invalid configuration: the message names the key, its value and what was expected."""


class ResizeShapeError(ResizeKitError, ValueError):
    """A tensor shape that the spec does not divide: the message names the nearest crop."""


class ImageError(ResizeKitError):
    """An unusable image: missing, truncated, too large, or of an unsupported kind or mode."""


class ManifestError(ImageError):
    """A small image that cannot be restored: its manifest is missing or too new, or its pixels were changed."""


class CheckpointError(ResizeKitError):
    """A weights file that is broken, was written by another program, or does not fit the network."""


class PluginError(ResizeKitError):
    """A plugin that is broken or conflicts with another: the message names its distribution and version."""


class KernelUnavailableError(ResizeKitError):
    """A kernel that cannot be built on this machine: it raises this itself, and the op runs its reference instead."""


class UnknownNameError(UsageError):
    """A name of a task, network, compression, weights or suite that no installed plugin offers."""


class MissingExtraError(UsageError):
    """A feature whose optional dependency is not installed: the message names the extra."""
