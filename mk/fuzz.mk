# Fuzzing. tests/fuzz/AREA/NAME_fuzz.c is a libFuzzer target; AREA as for unit tests.
#   make fuzz            each target for FUZZ_SECONDS (default 60), starting from its corpus, then random
#                        Dockerfiles against buildah (as root, where buildah is)
#   the replay programs run every corpus file and a few thousand mutations of them in `make check`
FUZZ_SECONDS ?= 60
FUZZ_SOURCES := $(wildcard tests/fuzz/*/*_fuzz.c)
FUZZ_REPLAYS := $(patsubst tests/fuzz/%_fuzz.c,$(B)/tests/fuzz/%_replay,$(FUZZ_SOURCES))
FUZZ_NAMES := $(patsubst tests/fuzz/%_fuzz.c,%,$(FUZZ_SOURCES))

$(B)/tests/fuzz/%_replay: $(B)/obj/tests/fuzz/%_fuzz.o $(B)/obj/tests/fuzz/replay.o $$(AREA_OBJS_$$(call area_of,$$*)) \
		$(call archives,stage sandbox oci aws http yaml base)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(RN_LDFLAGS) $(call libs_of,$(LIB_NAMES) core localcloud) -ldl -lm
fuzz-replays: $(FUZZ_REPLAYS)

# The fuzzers themselves are compiled by clang, with its coverage.
FUZZ_CFLAGS := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -pthread -std=gnu17 -w
FUZZ_INPUTS = $(filter-out $(LEFT_OUT) $(wildcard lib/*/main_*.c core/main*.c plugins/*/main_*.c),$(wildcard lib/base/*.c lib/http/*.c \
	lib/aws/*.c lib/oci/*.c lib/yaml/*.c) $(if $(filter core,$(1)),$(wildcard core/*.c)) \
	$(if $(wildcard plugins/$(1)),$(wildcard plugins/$(1)/*.c lib/stage/*.c lib/sandbox/*.c)))
FUZZ_OBJS = $(patsubst %.c,build/fuzz/obj/%.o,$(call FUZZ_INPUTS,$(1)))
build/fuzz/obj/%.o: %.c
	$(call say,CLANG,$@)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link $(RN_CPPFLAGS) -I. -MMD -MP -c -o $@ $<
build/fuzz/%: build/fuzz/obj/tests/fuzz/%_fuzz.o $$(call FUZZ_OBJS,$$(call area_of,$$*))
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(call libs_of,$(LIB_NAMES) core) -ldl -lm
.PRECIOUS: build/fuzz/obj/%.o
-include $(wildcard build/fuzz/obj/*/*/*.d build/fuzz/obj/*/*/*/*.d)

## fuzz            fuzz each parser for FUZZ_SECONDS
fuzz: deps-lint $(VENV)/ready all $(FUZZ_NAMES:%=build/fuzz/%)
	@for t in $(FUZZ_NAMES); do mkdir -p build/corpus/$$t; echo "-- $$t"; \
	build/fuzz/$$t -max_total_time=$(FUZZ_SECONDS) -print_final_stats=0 -verbosity=0 build/corpus/$$t tests/fuzz/corpus/$$t || exit 1; done
	@if [ "$$(id -u)" = 0 ] && command -v buildah >/dev/null && command -v docker-registry >/dev/null; then echo "-- Dockerfiles"; \
	$(VENV)/bin/python tests/differential/generate.py --build $(B) --seconds $(FUZZ_SECONDS); fi
.PHONY: fuzz fuzz-replays
