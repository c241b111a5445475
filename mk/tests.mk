# Tests. Unit tests: tests/unit/AREA/NAME_test.c, each a cmocka program; AREA is
# a library, `core`, `localcloud` or a plugin's name, and decides what is linked.
UNIT_SOURCES := $(wildcard tests/unit/*/*_test.c)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT_SOURCES))
area_of = $(firstword $(subst /, ,$(1)))

# objects of an area that are not in a static library
AREA_OBJS_core = $(filter-out %/main.o,$(CORE_OBJS))
AREA_OBJS_localcloud = $(filter-out %/main.o,$(CLOUD_OBJS))
$(foreach p,$(PLUGIN_NAMES),$(eval AREA_OBJS_$(p) = $$(PLUGIN_OBJS_$(p))))

.SECONDEXPANSION:
$(B)/tests/%_test: $(B)/obj/tests/unit/%_test.o $$(AREA_OBJS_$$(call area_of,$$*)) $(call archives,stage sandbox oci aws http yaml base)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(RN_LDFLAGS) -Wl,--allow-multiple-definition \
		$(call libs_of,$(LIB_NAMES) core localcloud) -lcmocka -ldl -lm

$(B)/obj/tests/%.o: RN_CPPFLAGS += -I. -DRUNNER_BUILD='"$(abspath $(B))"' -DRUNNER_SOURCE='"$(CURDIR)"'

## unit            build and run the unit tests; T=AREA[/NAME] runs some
unit: $(if $(T),$(filter $(B)/tests/$(T)% ,$(UNIT_TESTS)),$(UNIT_TESTS))
	$(Q)fails=0; for t in $^; do $$t >$$t.log 2>&1 || { cat $$t.log; fails=$$((fails+1)); }; done; \
	echo "$(words $^) unit test programs, $$fails failed"; test $$fails = 0

unit-tests: $(UNIT_TESTS)
.PHONY: unit unit-tests

## check           install what is missing, run every test; ends with "N passed, N failed"
check: deps-test $(VENV)/ready
	@$(MAKE) --no-print-directory all examples unit-tests test-plugins test-tools fuzz-replays
	@RUNNER_BUILD=$(abspath $(B)) $(VENV)/bin/python tests/check.py $(CHECK_ARGS)

## check-unit      the unit tests alone; SANITIZE=address,undefined runs them under sanitizers
check-unit: deps-test
	@$(MAKE) --no-print-directory all unit-tests test-plugins fuzz-replays
	@RUNNER_BUILD=$(abspath $(B)) python3 tests/check.py --only unit

## check-arm64     cross-build for arm64 in a Debian of its own and run the unit tests by qemu (root)
check-arm64: | build
	$(call install,mmdebstrap qemu-user-static)
	@scripts/arm64.sh $(filter-out libc6-dev libisal-dev,$(filter %-dev,$(DEPS_BUILD))) libcmocka-dev

# programs that tests drive: tests/tools/NAME.c
TEST_TOOLS := $(patsubst tests/tools/%.c,$(B)/tests/tools/%,$(wildcard tests/tools/*.c))
$(B)/tests/tools/%: $(B)/obj/tests/tools/%.o $(call archives,stage sandbox oci aws http yaml base)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(RN_LDFLAGS) $(call libs_of,$(LIB_NAMES)) -lm
test-tools: $(TEST_TOOLS)

# misbehaving and well-behaved plugins for the tests: tests/plugins/NAME.c
TEST_PLUGINS := $(patsubst tests/plugins/%.c,$(B)/tests/plugins/%.so,$(wildcard tests/plugins/*.c))
$(B)/tests/plugins/%.so: $(B)/obj/tests/plugins/%.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -o $@ $^ $(RN_LDFLAGS)
test-plugins: $(TEST_PLUGINS)
.PHONY: check check-unit check-arm64 test-tools test-plugins
