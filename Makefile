# Signet.  `make help` lists the targets.
#   make demo   everything from nothing: set up, build, run, ask, verify (README)
#   make test   set up and pass every test that needs Debian packages only
SHELL   := /bin/bash
DIRS    := base der proto conf key csr jwt policy hsm storage ca net ra admin daemon cli
# VARIANT: release (what is installed and measured), san (ASan and UBSan, sandbox off), clang (warnings of the other compiler)
VARIANT ?= release
B       := build/$(VARIANT)
PREFIX  ?= /usr
VERSION := $(shell cat VERSION 2>/dev/null || echo 0)

CC      := $(if $(filter clang,$(VARIANT)),clang,gcc)
CPPFLAGS += -D_GNU_SOURCE -DSIGNET_VERSION='"$(VERSION)"' -I. -I$(B)/gen -Ibuild/gen
WARN    := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Werror
CFLAGS  += -std=gnu2x -O2 -g -MMD -MP -pthread $(WARN) -fno-omit-frame-pointer -fstack-protector-strong -fPIE
LDFLAGS += -pthread -pie -Wl,-z,relro,-z,now -Wl,--gc-sections
ifeq ($(VARIANT),san)
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=all -DSIGNET_SANITIZED
LDFLAGS += -fsanitize=address,undefined
else
CFLAGS  += -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections -fstack-clash-protection
endif

# ---- generated sources: protobuf-c, seccomp filters ----
PROTOS   := $(wildcard proto/*.proto)
PROTO_C  := $(PROTOS:proto/%.proto=build/gen/proto/%.pb-c.c)
GEN_O    := $(PROTO_C:build/gen/%.c=$(B)/gen/%.o)

SRCS     := $(filter-out $(wildcard */fuzz_*.c),$(foreach d,$(DIRS),$(wildcard $d/*.c)))
MAINS    := $(wildcard daemon/main_*.c cli/main.c)
OBJS     := $(SRCS:%.c=$(B)/%.o)
LIBOBJS  := $(filter-out $(MAINS:%.c=$(B)/%.o),$(OBJS)) $(GEN_O)
# One archive: the linker takes from it only what a program refers to, and each program names its own libraries below.
LIB      := $(B)/libsignet.a

# ---- programs: one per role, each with only its own libraries (lint checks the result with readelf) ----
PROGRAMS := signetd signet-front signet-keeper signet-admin signet
MAIN_signetd       := daemon/main_monitor
LIBS_signetd       := -lyaml
MAIN_signet-front  := daemon/main_front
LIBS_signet-front  := -lssl -lcrypto -lnghttp2 -lprotobuf-c -ljansson -luv
MAIN_signet-keeper := daemon/main_keeper
LIBS_signet-keeper := -lcrypto -llmdb
MAIN_signet-admin  := daemon/main_admin
LIBS_signet-admin  := -lmicrohttpd -ljansson
MAIN_signet        := cli/main
LIBS_signet        := -lssl -lcrypto -lnghttp2 -lprotobuf-c -ljansson -lyaml -lcurl -luv
ALL_LIBS := -lssl -lcrypto -lnghttp2 -lprotobuf-c -ljansson -lyaml -lcurl -luv -llmdb -lmicrohttpd
READY    := $(foreach p,$(PROGRAMS),$(if $(wildcard $(MAIN_$(p)).c),$(p)))

.PHONY: all

all: $(READY:%=$(B)/bin/%)

# Headers that are generated must be there before the first compilation.
GEN_H    := $(PROTO_C:.c=.h) $(SECCOMP_H)
$(OBJS) $(GEN_O): | $(GEN_H)

build/gen/proto/%.pb-c.c build/gen/proto/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=proto --c_out=build/gen/proto $<
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
$(foreach p,$(READY),$(eval $(call PROGRAM_RULE,$(p))))

# ---- unit tests: tests/unit/FOLDER/test_*.c, one program each ----
UNIT     := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN := $(UNIT:%.c=$(B)/%)
$(B)/tests/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(ALL_LIBS) -lcmocka
.PHONY: unit
unit: $(UNIT_BIN) $(FUZZ_REPLAY_RUN)
	tools/run-unit $(UNIT_BIN)

# ---- fuzz targets: FOLDER/fuzz_NAME.c, seeds in tests/data/fuzz/NAME/; replayed by `make replay` with any compiler ----
FUZZ     := $(wildcard */fuzz_*.c)
FUZZ_NAMES := $(foreach f,$(FUZZ),$(patsubst fuzz_%,%,$(basename $(notdir $f))))
REPLAYS  := $(FUZZ:%.c=$(B)/replay/%)
$(B)/replay/%: %.c tests/fuzz/replay.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< tests/fuzz/replay.c $(LIB) $(ALL_LIBS)
.PHONY: replay
replay: $(REPLAYS)
	tools/run-replay $(REPLAYS)

-include $(OBJS:.o=.d) $(UNIT_BIN:=.d)
-include tools/targets.mk

.PHONY: clean
clean:
	rm -rf build
.PHONY: lib
lib: $(LIB)
