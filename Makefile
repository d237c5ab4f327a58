# Short names for what dev.py does.
PYTHON ?= python3

.PHONY: demo test lint bench
demo test lint bench:
	$(PYTHON) dev.py $@
