"""Every error the project raises on purpose: one line that says what came and what would do."""


class ResizeKitError(Exception):
    """The base of all: catch this one to catch them all.  `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(ResizeKitError):
    """The request itself does not fit: contradictory options, an output that exists."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration that does not fit: names the key, what came, what would do."""


class ResizeShapeError(ResizeKitError, ValueError):
    """A tensor whose shape the spec does not divide: names the nearest crop."""


class ImageError(ResizeKitError):
    """A file that is no picture we can take: missing, truncated, too large, of an unsupported mode."""


class ManifestError(ImageError):
    """A small image that cannot be restored from itself: no manifest, a newer one, other pixels."""


class CheckpointError(ResizeKitError):
    """A weights file that is broken, foreign or does not fit the network."""


class PluginError(ResizeKitError):
    """A plugin that is broken or conflicts with another: names distribution and version."""


class UnknownNameError(UsageError):
    """A task, network, compression or weights name that nobody installed offers."""


class MissingExtraError(UsageError):
    """A feature whose optional dependency is not installed: names the extra."""
