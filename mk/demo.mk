# The main job on the embedded local cloud: no account, no docker, no network.

examples:
	@$(MAKE) --no-print-directory -C examples/squares

## demo            install what is missing, build, run the main job on the local cloud
demo: deps
	@$(MAKE) --no-print-directory all examples
	$(BIN)/runner --local pipelines/serverless.pipe
.PHONY: demo examples

## bench           measure, with peers side by side; BENCH="engine local build cloud" picks some
bench: deps-test $(VENV)/ready
	@$(MAKE) --no-print-directory all examples
	@RUNNER_BUILD=$(abspath $(B)) $(VENV)/bin/python bench/bench.py $(BENCH)
.PHONY: bench
