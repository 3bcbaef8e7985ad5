"""`python -m resizekit`: the command line."""

from resizekit.cli import main

main()
