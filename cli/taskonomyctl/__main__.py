"""`python -m taskonomyctl`: the same command line where no script is installed."""

from taskonomyctl.main import main

main()
