# Sets everything up, then hands over to the command line. Needs git, make and Python 3.11 to 3.14.
#
#   make demo                  the whole loop on a throwaway repository; leaves production answering
#   make demo ARGS=--exit      the same, and stops everything at the end
#   make stop                  stop what demos left running
#   make test                  every test; `make test ARGS="tests/unit -k gates"` for some
#   make doctor                what this machine and the repository on GitHub have and lack
#   make setup                 only install

export PYTHON
export UV_PYTHON_DOWNLOADS = never
# These measure time, so nothing else may run alongside. They come first: the other run ends with what was not tested.
TIMED = tests/delivery/test_loadtest.py tests/service/test_overload.py
RUN = .bootstrap/bin/uv run --frozen

.PHONY: demo stop test doctor setup

demo: setup
	@$(RUN) slipway demo $(ARGS)

stop: setup
	@$(RUN) slipway demo --stop

test: setup data
ifdef ARGS
	@$(RUN) pytest $(ARGS)
else
	@$(RUN) pytest $(TIMED)
	@$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder $(TIMED:%=--ignore=%)
endif

data: | setup
	@$(RUN) slipway pull

doctor: setup
	@$(RUN) slipway doctor $(ARGS) || [ $$? -eq 1 ] # 1 is advice

setup:
	@.ci/bootstrap
