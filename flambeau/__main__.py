"""`python -m flambeau`: the same as the command `flambeau`."""
import sys

from .launcher import main

sys.exit(main())
