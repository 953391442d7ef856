# Everything is built below build/, dist/ and .venv/. One make at a time: they share these folders.
PYTHON ?= python3
DEVICE ?= go
comma  := ,
GO     ?= go

# In pure Go, matrix products are several times faster with it (amd64 only).
ifeq ($(shell $(GO) env GOARCH 2>/dev/null),amd64)
export GOEXPERIMENT ?= simd
endif
export VIRTUAL_ENV := $(CURDIR)/.venv
VENV := $(VIRTUAL_ENV)/bin

# The library's file has the version in its name, its SONAME the version of the ABI.
BUILD   := build
VERSION := $(shell sed -n 's/^.define GOVPN_VERSION "\(.*\)"/\1/p' capi/bridge.h)
ABI     := $(shell sed -n 's/^.define GOVPN_ABI_VERSION //p' capi/govpn.h)
LIB     := $(BUILD)/libgovpn.so.$(VERSION)
ifeq ($(shell $(GO) env GOOS 2>/dev/null),linux)
LINK := -s -w -extldflags=-Wl,--version-script=$(CURDIR)/capi/exports.map,-soname,libgovpn.so.$(ABI)
else
LINK := -s -w
endif

.PHONY: help demo test test-long lib install uninstall lint go-test py-test c-test no-cgo race sanitize fuzz consumer bench bench-cuda bench-growth repro interop notebooks golden ray released sdist wheel docs clean
help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /|/' | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: .venv/demo-$(DEVICE) ## Train on Fashion-MNIST, print a table, draw demo.png (DEVICE=go, cpu or cuda)
	$(VENV)/python examples/demo.py --device $(DEVICE)

test: export GOVPN_TEST_REQUIRE := cpu
test: lint ## Everything that CI runs
	@$(MAKE) --output-sync=target --jobs=2 go-test py-test c-test consumer # pytest keeps one core busy, and go test is not always at both

# GOVPN_TEST_LONG makes the tests leave nothing out. What only a release needs is beside them.
test-long: export GOVPN_TEST_REQUIRE := cpu
test-long: export GOVPN_TEST_LONG := 1
test-long: lint go-test c-test consumer py-test no-cgo race fuzz ## Before a release: all at full length, race detector, no cgo, fuzzing

lib: $(LIB) ## The C library, build/libgovpn.so, for capi/govpn.h and capi/govpn.hpp
$(LIB): go.mod $(shell find capi internal models vpn -name '*.go' -o -name '*.[ch]' -o -name '*.map')
	CGO_ENABLED=1 $(GO) build -trimpath -buildmode=c-shared -ldflags='$(LINK)' -o $@ ./capi
	@rm -f $(basename $@).h
	@ln -sf $(@F) $(@D)/libgovpn.so.$(ABI)
	@ln -sf libgovpn.so.$(ABI) $(@D)/libgovpn.so

# Nothing that is installed knows where: the prefix may be moved. LIBDIR is below PREFIX.
PREFIX  ?= /usr/local
LIBDIR  ?= lib
TO      := $(DESTDIR)$(PREFIX)
HEADERS := include/govpn.h include/govpn.hpp
FILLED  := $(LIBDIR)/pkgconfig/govpn.pc $(addprefix $(LIBDIR)/cmake/govpn/govpn-config,.cmake -version.cmake)
SHARED  := $(addprefix $(LIBDIR)/libgovpn,.so .so.$(ABI) .so.$(VERSION))
FILL    := sed -e 's|@VERSION@|$(VERSION)|g; s|@ABI@|$(ABI)|g; s|@LIBDIR@|$(LIBDIR)|g' -e "s|@UP@|$$(echo $(LIBDIR) | sed 's|[^/]*|..|g')|g"
install: $(LIB) ## Install the C and C++ library (PREFIX=/usr/local, DESTDIR=)
	install -d $(addprefix '$(TO)'/,$(sort $(dir $(HEADERS) $(FILLED) share/doc/govpn/)))
	install -m 644 capi/govpn.h capi/govpn.hpp '$(TO)/include'
	install -m 755 $(LIB) '$(TO)/$(LIBDIR)'
	ln -sf libgovpn.so.$(VERSION) '$(TO)/$(LIBDIR)/libgovpn.so.$(ABI)'
	ln -sf libgovpn.so.$(ABI) '$(TO)/$(LIBDIR)/libgovpn.so'
	for file in $(FILLED); do $(FILL) capi/package/$${file##*/}.in > '$(TO)'/$$file && chmod 644 '$(TO)'/$$file || exit 1; done
	install -m 644 LICENSE '$(TO)/share/doc/govpn'

uninstall: ## Remove what install with the same PREFIX, LIBDIR and DESTDIR put there
	rm -f $(addprefix '$(TO)'/,$(HEADERS) $(FILLED) $(SHARED) share/doc/govpn/LICENSE)
	-rmdir $(addprefix '$(TO)'/,$(LIBDIR)/cmake/govpn share/doc/govpn)

# One file marks each kind of environment: the package is built anew when its sources change.
SOURCES := setup.py pyproject.toml $(shell find capi internal models vpn python/govpn -name '*.go' -o -name '*.[ch]' -o -name '*.py')
.venv/ready:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "govpn: $(PYTHON) is %d.%d, want 3.10 or newer" % sys.version_info[:2])'
	@$(PYTHON) -m venv .venv || { echo "govpn: no virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	$(VENV)/pip install -q --disable-pip-version-check --upgrade pip
	@touch $@
.venv/demo-$(DEVICE): .venv/ready $(SOURCES)
	$(VENV)/pip install -q '.[notebook$(if $(filter cpu cuda,$(DEVICE)),$(comma)$(DEVICE))]'
	@touch $@
.venv/test: .venv/ready $(SOURCES)
	$(VENV)/pip install -q '.[test]'
	@touch $@

lint: .venv/test ## gofmt, vet, staticcheck, layers, ruff, mypy
	@test -z "$$(gofmt -l capi models vpn internal examples)" || { gofmt -d capi models vpn internal examples; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags=govpn_test ./capi
	$(GO) tool staticcheck ./...
	.ci/layers
	$(VENV)/ruff check python docs/reference.py examples bench vpn setup.py
	$(VENV)/ruff format --check python docs/reference.py examples bench vpn setup.py
	$(VENV)/mypy

LIMIT = $(if $(GOVPN_TEST_LONG),120m,30m)
go-test: .venv/test ## The tests of Go
	$(GO) test -timeout=$(LIMIT) ./models ./vpn/... ./internal/... ./examples/...
	CGO_ENABLED=1 $(GO) test -race ./vpn/internal/atomicfile ./vpn/data/internal/... # they do not need GoMLX, which takes minutes to build

c-test: .venv/test ## The C and C++ programs, against the built library
	$(GO) test -tags=govpn_test -timeout=$(LIMIT) ./capi

# Without cgo, device go computes with the same code. What can differ is tested: that it trains, saves, and tells its
# devices and memory; and the readers.
PURE := Example|Learns|Save|Resume|Device|Memory|Peak
no-cgo: .venv/test ## The tests of Go that can differ without cgo
	CGO_ENABLED=0 $(GO) vet ./models ./vpn/...
	CGO_ENABLED=0 $(GO) test -timeout=60m -skip Golden ./vpn/data/... ./vpn/device ./internal/...
	CGO_ENABLED=0 $(GO) test -timeout=60m -run '$(PURE)' ./vpn

# -race switches checkptr on, which GoMLX's matrix products do not pass.
CONCURRENT := Concurrent|Busy|Cancel|Close
race: .venv/test ## The tests in which goroutines meet, under the race detector
	CGO_ENABLED=1 $(GO) test -timeout=60m -race -tags=govpn_test -gcflags='github.com/gomlx/compute/...=-d=checkptr=0' -run '$(CONCURRENT)' -skip Golden ./vpn/... ./capi

sanitize: .venv/test ## The C programs under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer
	GOVPN_TEST_LONG=1 $(GO) test -tags=govpn_test -timeout=120m -run=Sanitize -v ./capi

fuzz: ## Every fuzz target for FUZZTIME (10s)
	.ci/fuzz

consumer: ## A fresh Go module that requires govpn builds and runs
	bash examples/go/consumer.sh

py-test: .venv/test ## The tests of Python
	$(VENV)/pytest -q

bench: .venv/test ## Training, inference and streaming beside PyTorch and JAX: build/bench (BENCH="--rows 'joint/*'")
	$(VENV)/pip install -q -r bench/requirements.txt
	$(VENV)/python bench/run.py --out build/bench $(BENCH)
	$(VENV)/python bench/streaming.py --out build/bench

bench-cuda: ## The same on an NVIDIA GPU, without Go or network, with PYTHON's packages: build/bench/cuda, bench/results
	env -u VIRTUAL_ENV $(if $(GOVPN_LIBRARY),PYTHONPATH=$(CURDIR)/python) $(PYTHON) bench/cuda.py $(BENCH)

bench-growth: .venv/test ## How time and memory grow with batch, noises, classes, pixels, draws: build/bench
	$(VENV)/python bench/growth.py --out build/bench $(BENCH)

REPRO  := $(VENV)/python -m govpn.repro
INTO   := --out docs/repro --format md --format png
TABLES := $(INTO) --dataset fashion-mnist --dataset cifar-10 --base sr --base dnn3
TRIED  := $(INTO) --dataset fashion-mnist
repro: .venv/test ## What docs/repro holds: the paper's tables and figures, the search (a day on 2 cores; run it again to go on)
	for seeds in 1 2 3 4 5; do \
	  $(REPRO) table1 $(TABLES) --generator dnn3 --seeds $$seeds && $(REPRO) table4 $(TABLES) --generator dnn3 --seeds $$seeds || exit 1; \
	done
	$(REPRO) table1 $(TABLES) --row vpn-resnet18 --row matched-resnet18 --row power-resnet18 --seeds 2 --epochs 5
	$(REPRO) table4 $(TABLES) --generator resnet18 --seeds 2 --epochs 5
	$(REPRO) table1 $(INTO) --dataset cifar-10 --base resnet18 --row vpn-dnn3 --row matched-dnn3 --row power-dnn3 \
	  --seeds 1 --epochs 5 --images 5000 --eval-images 1000
	$(REPRO) search $(TRIED) --seeds 1
	$(REPRO) search $(TRIED) --setting '5,000 images' --setting 'σ from 0.05 to 0.5' --setting 'entropy reward β = 0.01, σ from 0.01 to 1' \
	  --setting 'entropy reward β = 0.01' --setting "soft labels, half the baseline's" \
	  --setting '40 % wrong labels' --setting '40 % wrong labels, β = 0.1'
	$(REPRO) search $(TRIED) --base sr --base dnn3 --setting '5,000 images' --setting "the paper's σ = |o|, κ = 0.01" --seeds 5 --epochs 2
	$(REPRO) confirm $(TRIED) --setting '5,000 images' --setting "soft labels, half the baseline's" --setting '40 % wrong labels, β = 0.1'
	$(REPRO) explain $(TRIED)
	for figure in 1 3 5 6; do $(REPRO) fig$$figure $(INTO) || exit 1; done
	$(REPRO) fig6 $(INTO) --generator resnet18 --epochs 5
	$(REPRO) fig4 $(INTO) --seeds 1 --epochs 10
	$(REPRO) pack --out docs/repro

interop: .venv/test ## scikit-learn, torch, JAX, polars, nanoarrow, Hugging Face, and a torch loop with learned noise (installs them)
	$(VENV)/pip install -q torch torchvision jax polars nanoarrow datasets
	$(VENV)/pytest -q python/tests/test_libraries.py python/tests/test_sklearn.py
	$(VENV)/python examples/torch_loop.py --images 2000 --epochs 1

ray: .venv/test ## Ray's and Spark's tests with two workers (installs Ray, torch, Spark; Spark wants Java 17)
	$(VENV)/pip install -q '.[ray]' pyspark 'pandas<3'
	$(VENV)/pytest -q python/tests/test_ray.py python/tests/test_ray_train.py
	$(VENV)/python examples/spark.py --images 5000

notebooks: .venv/test ## Run examples/notebooks and keep what they show in them
	cd examples/notebooks && $(VENV)/jupyter execute --inplace *.ipynb
	sed -i 's|$(CURDIR)/||g; s|/tmp/ipykernel_[0-9/]*.py|cell|g' examples/notebooks/*.ipynb
	rm -rf examples/notebooks/photos* examples/notebooks/*.safetensors

golden: .venv/test ## Write the golden files anew with PyTorch, torchvision and Pillow
	$(VENV)/pip install -q -r vpn/method/testdata/requirements.txt
	$(VENV)/python vpn/method/testdata/golden.py
	$(VENV)/python vpn/augment/testdata/golden.py
	$(VENV)/python vpn/data/testdata/tables.py
	$(VENV)/python vpn/data/internal/jpeg/testdata/golden.py
	$(VENV)/python vpn/data/internal/imaging/testdata/golden.py

# Tools for packages have an environment of their own.
TOOLS := $(BUILD)/packages
$(TOOLS)/ready: .ci/requirements.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install -q --disable-pip-version-check -r .ci/requirements.txt
	@touch $@

sdist: $(TOOLS)/ready ## dist/govpn-….tar.gz, which builds without network where Go has the modules
	.ci/sdist $(TOOLS)/bin/python

wheel: sdist ## dist/govpn-….whl for every Linux with glibc 2.28, checked; it needs no Go (ARCH=x86_64, aarch64)
	ARCH=$(ARCH) .ci/wheel $(TOOLS)/bin/python

docs: .venv/test ## The Python reference, build/docs; a warning is an error
	$(VENV)/pip install -q 'pdoc>=16'
	$(VENV)/python docs/reference.py build/docs

released: .venv/test ## Keep files as this version writes them, for the tests of later ones; none is ever replaced
	$(VENV)/python vpn/testdata/released.py

clean: ## Remove all that was built
	rm -rf build dist .venv .mypy_cache .pytest_cache .ruff_cache demo.png python/govpn.egg-info python/govpn/libgovpn.so
