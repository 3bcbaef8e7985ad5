"""The command line: one file per verb, each a few lines on top of the library.

Heavy modules are imported inside the verbs, so that `resizekit --help` loads neither torch nor plugins.
"""

from resizekit.cli.app import main as main
