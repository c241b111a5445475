# The main job on the embedded local cloud: no account, no docker, no network.

examples:
	@$(MAKE) --no-print-directory -C examples/squares

## demo            install what is missing, build, run the main job on the local cloud
demo: deps
	@$(MAKE) --no-print-directory all examples
	$(BIN)/runner --local pipelines/serverless.pipe
.PHONY: demo examples

# An own base in the place of Lambda's, since the local cloud has no network; RUN pip install reaches the registry that pip uses here.
PYTHON_DEMO := build/demo-python
## demo-python     the same for a function in Python: pip installs scikit-learn inside RUN
demo-python: deps deps-demo-python
	@$(MAKE) --no-print-directory all
	@mkdir -p $(PYTHON_DEMO)
	@python3 scripts/pip_settings.py $(PYTHON_DEMO)
	$(BIN)/runner pipelines/debian-python.pipe
	$(BIN)/runner --local pipelines/serverless-python.pipe --set base=oci-layout://$(abspath $(PYTHON_DEMO))/layout \
		--set pip_conf=$(abspath $(PYTHON_DEMO))/pip.conf --set ca=$(abspath $(PYTHON_DEMO))/ca.crt
.PHONY: demo-python

## bench           measure, with peers side by side; BENCH="engine local build cloud" picks some
bench: deps-test $(VENV)/ready
	@$(MAKE) --no-print-directory all examples
	@RUNNER_BUILD=$(abspath $(B)) $(VENV)/bin/python bench/bench.py $(BENCH)
.PHONY: bench
