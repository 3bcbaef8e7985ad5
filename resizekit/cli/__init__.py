"""The command line: thin, one file a verb, each a few lines over the library.

Nothing heavy is imported until a verb runs: `resizekit --help` loads no torch and no plugin.
"""

from resizekit.cli.app import main as main
