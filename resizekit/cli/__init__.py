"""The command line: one file per command. Each file calls the library and contains little code of its own.

Heavy modules are imported inside the command functions, so that `resizekit --help` loads neither torch nor plugins.
"""

from resizekit.cli.app import main as main
