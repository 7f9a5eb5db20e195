# Installs the locked packages, and runs the command line. Needs git, make and Python 3.11 to 3.14.
#
#   make demo                  run the full CI/CD loop on a throwaway repository, and keep production running
#   make demo ARGS=--exit      the same, and stop every service at the end
#   make stop                  stop the services of earlier demos
#   make test                  run all tests; select some with ARGS="tests/unit -k gates"
#   make test SUITE=unit       run one suite: unit (quick tests), integration (services, agents, workflows) or loop
#                              (kills, forks, power, browsers, the demo)
#   make doctor                check this machine and the repository's settings on GitHub
#   make setup                 install only

export PYTHON
export UV_PYTHON_DOWNLOADS = never
# Set in many containers: each worker and each process that a test starts would compile this repository again.
unexport PYTHONDONTWRITEBYTECODE
# These tests measure time, so they run apart from the others. They run first, so that the list of untested programs
# ends the output. A load test waits most of its time, so two run at the same time; the overload takes both cores.
LOADTEST = tests/delivery/test_loadtest.py
OVERLOAD = tests/service/test_overload.py
TIMED = $(LOADTEST) $(OVERLOAD)
# On two cores: many tests wait for services, and two more workers run meanwhile.
WORKERS = 4
RUN = .bootstrap/bin/uv run --frozen
PYTEST = $(RUN) pytest --durations=25

.PHONY: demo stop test doctor setup

demo: setup
	@$(RUN) slipway demo $(ARGS)

stop: setup
	@$(RUN) slipway demo --stop

test: setup data
ifdef ARGS
	@$(PYTEST) $(ARGS)
else
	$(if $(filter-out integration,$(SUITE)),,@$(PYTEST) -n 2 $(LOADTEST))
	$(if $(filter-out integration,$(SUITE)),,@$(PYTEST) $(OVERLOAD))
	@$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(SUITE:%=--suite=%) $(TIMED:%=--ignore=%)
endif

data: | setup
	@$(RUN) slipway pull

doctor: setup
	@$(RUN) slipway doctor $(ARGS) || [ $$? -eq 1 ] # 1 means advice only

setup:
	@.ci/bootstrap
