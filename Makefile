# Signet.  `make help` lists the targets.
#   make demo   everything from nothing: set up, build, run, ask, verify (README)
#   make test   set up and pass every test that needs Debian packages only
SHELL   := /bin/bash
DIRS    := base der proto conf key csr jwt policy hsm storage ca k8s_csr net ra admin daemon cli
# VARIANT: release (what is installed and measured), san (ASan and UBSan, sandbox off), points (release with points to kill at,
# for tests), clang (warnings of the other compiler), fuzz (libFuzzer), afl (AFL++)
VARIANT ?= release
B       := build/$(VARIANT)
PREFIX  ?= /usr
JOBS    ?= $(shell nproc)
VERSION := $(shell cat VERSION 2>/dev/null || echo 0)

CC      := $(or $(if $(filter clang fuzz,$(VARIANT)),clang),$(if $(filter afl,$(VARIANT)),afl-clang-fast),gcc)
CPPFLAGS += -D_GNU_SOURCE -DSIGNET_VERSION='"$(VERSION)"' -I. -I$(B)/gen -Ibuild/gen
WARN    := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Werror
# What the processor can check of control flow; docs/hardening.md says what Debian 12 makes of it.
CONTROL := $(or $(if $(filter x86_64,$(shell uname -m)),-fcf-protection=full),$(if $(filter aarch64,$(shell uname -m)),-mbranch-protection=standard))
# The path of the tree is nowhere in the result: make reproducible
CFLAGS  += -std=gnu2x -O2 -g -MMD -MP -pthread $(WARN) -fno-omit-frame-pointer -fstack-protector-strong -fPIE \
	$(CONTROL) -ffile-prefix-map=$(CURDIR)=.
LDFLAGS += -pthread -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,-z,text -Wl,--gc-sections
ifneq ($(filter points san,$(VARIANT)),) # san as well: the same tests run there
CPPFLAGS += -DSIGNET_TEST_POINTS
endif
ifeq ($(VARIANT),san)
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=all -DSIGNET_SANITIZED
LDFLAGS += -fsanitize=address,undefined
else ifeq ($(VARIANT),afl)
CFLAGS  += -DSIGNET_SANITIZED
else ifeq ($(VARIANT),fuzz)
CFLAGS  += -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -DSIGNET_SANITIZED
LDFLAGS += -fsanitize=address,undefined
else
CFLAGS  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -ffunction-sections -fdata-sections -fstack-clash-protection
endif

# ---- generated sources: protobuf-c, seccomp filters ----
PROTOS   := $(wildcard proto/*.proto)
PROTO_C  := $(PROTOS:proto/%.proto=build/gen/proto/%.pb-c.c)
GEN_O    := $(PROTO_C:build/gen/%.c=$(B)/gen/%.o)
SECCOMP_H := $(patsubst %,build/gen/daemon/seccomp_%.h,monitor monitor_courier keeper front admin courier)

SRCS     := $(filter-out $(wildcard */fuzz_*.c),$(foreach d,$(DIRS),$(wildcard $d/*.c)))
MAINS    := $(wildcard daemon/main_*.c cli/main.c)
OBJS     := $(SRCS:%.c=$(B)/%.o)
LIBOBJS  := $(filter-out $(MAINS:%.c=$(B)/%.o),$(OBJS)) $(GEN_O)
# One archive: the linker takes from it only what a program refers to, and each program names its own libraries below.
LIB      := $(B)/libsignet.a

# ---- programs: one per role, each with only its own libraries (lint checks the result with readelf) ----
PROGRAMS := signetd signet-front signet-keeper signet-admin signet-courier signet
MAIN_signetd       := daemon/main_monitor
LIBS_signetd       := -lyaml
MAIN_signet-front  := daemon/main_front
LIBS_signet-front  := -lssl -lcrypto -lnghttp2 -lprotobuf-c -ljansson -luv
MAIN_signet-keeper := daemon/main_keeper
LIBS_signet-keeper := -lcrypto -llmdb
MAIN_signet-admin  := daemon/main_admin
LIBS_signet-admin  := -lmicrohttpd -ljansson
MAIN_signet-courier := daemon/main_courier
LIBS_signet-courier := -lcrypto -lcurl -ljansson -lyaml -luv
MAIN_signet        := cli/main
LIBS_signet        := -lssl -lcrypto -lnghttp2 -lprotobuf-c -ljansson -lyaml -lcurl -luv
ALL_LIBS := -lssl -lcrypto -lnghttp2 -lprotobuf-c -ljansson -lyaml -lcurl -luv -llmdb -lmicrohttpd

.PHONY: all

all: $(PROGRAMS:%=$(B)/bin/%)

# Headers that are generated must be there before the first compilation.
GEN_H    := $(PROTO_C:.c=.h) build/gen/proto/descriptors.h $(SECCOMP_H)
$(OBJS) $(GEN_O): | $(GEN_H)
# What was compiled with other flags is compiled again: nobody must install yesterday's hardening.
$(OBJS) $(GEN_O): $(B)/flags
.PHONY: always
$(B)/flags: export FLAGS = $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
$(B)/flags: always
	@mkdir -p $(@D)
	@printf '%s\n' "$$FLAGS" | cmp -s - $@ || printf '%s\n' "$$FLAGS" >$@

# What server reflection tells: the public .proto files and all they import, as one FileDescriptorSet.
REFLECTED := proto/public/istio_ca.proto proto/grpc_health.proto proto/grpc_reflection.proto
build/gen/proto/descriptors.h: $(REFLECTED) tools/embed.sh
	@mkdir -p $(@D)
	protoc -Iproto/public -Iproto --include_imports --descriptor_set_out=$(@:.h=.bin) $(notdir $(REFLECTED))
	tools/embed.sh descriptors $(@:.h=.bin) > $@

build/gen/proto/%.pb-c.c build/gen/proto/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=proto --c_out=build/gen/proto $<
# The lists become BPF here, with the build machine's libseccomp: no program links it.
build/tools/seccomp_gen: tools/seccomp_gen.c tools/seccomp_lists.h
	@mkdir -p $(@D)
	$(CC) -std=gnu2x -D_GNU_SOURCE -I. -O1 $(WARN) -o $@ $< -lseccomp
build/gen/daemon/seccomp_%.h: build/tools/seccomp_gen
	@mkdir -p $(@D)
	build/tools/seccomp_gen $* >$@.new && mv $@.new $@
$(B)/gen/%.o: build/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(filter-out -Wconversion -Wshadow -Wmissing-prototypes -Werror,$(CFLAGS)) -c -o $@ $<
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
$(LIB): $(LIBOBJS)
	@rm -f $@
	ar rcs $@ $^
define PROGRAM_RULE
$(B)/bin/$(1): $(B)/$(MAIN_$(1)).o $(LIB)
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS) -o $$@ $$< $(LIB) $(LIBS_$(1))
endef
$(foreach p,$(PROGRAMS),$(eval $(call PROGRAM_RULE,$(p))))

# ---- unit tests: tests/unit/FOLDER/test_*.c, one program each ----
UNIT     := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN := $(UNIT:%.c=$(B)/%)
$(B)/tests/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(ALL_LIBS) -lcmocka
.PHONY: unit tests
unit: $(UNIT_BIN)
	tools/run-unit $(UNIT_BIN)

# ---- fuzz targets: FOLDER/fuzz_NAME.c, seeds in tests/data/fuzz/NAME/; replayed by `make replay` with any compiler ----
FUZZ     := $(wildcard */fuzz_*.c)
REPLAYS  := $(FUZZ:%.c=$(B)/replay/%)
$(B)/replay/%: %.c tests/fuzz/replay.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< tests/fuzz/replay.c $(LIB) $(ALL_LIBS)
.PHONY: replay
replay: $(REPLAYS)
	tools/run-replay $(REPLAYS)

tests: $(UNIT_BIN) $(REPLAYS)

-include $(OBJS:.o=.d) $(UNIT_BIN:=.d) $(REPLAYS:=.d)

.PHONY: clean lib
lib: $(LIB)
clean:
	rm -rf build

# ---- what people call ----
.PHONY: help setup demo test integration check lint interop bench fuzz install reproducible sbom deb deb-check
help:
	@echo 'make demo      set up, build, start a CA, ask for a certificate, verify it (fresh Debian 12; root or sudo)'
	@echo 'make test      set up and pass every test that needs Debian packages only'
	@echo 'make           build into $(B)/bin'
	@echo 'make check     the same tests under ASan and UBSan'
	@echo 'make lint      layers, sizes, link lines, man pages, warnings of clang'
	@echo 'make interop   clients and verifiers that others wrote (Go, Rust, GnuTLS, Python), and a real Kubernetes with cert-manager'
	@echo 'make bench     measure, print a table beside the floor of this machine'
	@echo 'make fuzz TIME=60   every fuzz target for so many seconds; ENGINE=afl for AFL++ instead of libFuzzer'
	@echo 'make install   into DESTDIR, PREFIX=$(PREFIX)'
	@echo 'make deb       a Debian package into build/deb; make deb-check installs, upgrades and purges it in a root of its own (as root)'
	@echo 'make sbom      what the programs are made of, as SPDX, into build/signet.spdx.json'
	@echo 'make reproducible   build again elsewhere, and compare'

demo:
	@tools/demo
# The targets that set up first start a second make, so that what was just installed is seen.
test:
	@tools/setup build test
	@$(MAKE) --no-print-directory -s -j$(JOBS) all tests
	@$(MAKE) --no-print-directory -s -k unit replay integration
integration: all
	@$(if $(filter release,$(VARIANT)),$(MAKE) --no-print-directory -s VARIANT=points all)
	tools/run-integration $(B)
check:
	@tools/setup build test
	@$(MAKE) --no-print-directory -s -j$(JOBS) VARIANT=san all tests
	@$(MAKE) --no-print-directory -s -k VARIANT=san unit replay integration
lint:
	@tools/setup build test lint
	@tools/lint
interop:
	@tools/setup build test interop
	@$(MAKE) --no-print-directory -s all
	@$(if $(filter release,$(VARIANT)),$(MAKE) --no-print-directory -s VARIANT=points all)
	@tests/interop/run $(B)
bench:
	@tools/setup build test interop bench
	@$(MAKE) --no-print-directory -s all
	@tests/bench/run $(B)
fuzz:
	@tools/setup build test
	@tools/fuzz $(or $(ENGINE),libfuzzer) $(or $(TIME),60) $(FUZZ)
build/fuzz/bin/% build/afl/bin/%: $(SRC) $(LIB) # SRC=FOLDER/fuzz_NAME.c (tools/fuzz)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(SRC) $(LIB) $(ALL_LIBS)

install: all
	tools/install $(B) "$(DESTDIR)" "$(PREFIX)"
reproducible: all
	@tools/reproducible $(B)
sbom: all
	@tools/sbom $(B) build/signet.spdx.json
deb:
	@tools/setup build deb
	@$(MAKE) --no-print-directory -s all
	@tools/deb $(B)
deb-check: deb
	@tools/setup build test
	@tests/deb/run $(B)
