# The frame of the project: every target does all its own set-up. `make` alone lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The version that `captions version` prints; a tree without git is a development version.
VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),development)
LDFLAGS := -s -w -X main.version=$(VERSION)

# The version is linked in above, so Go need not ask git, which fails in a tree that another user owns.
ifeq ($(findstring -buildvcs,$(GOFLAGS)),)
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)
endif

DATA ?= data
ADDR ?= localhost:8080
TEST_TIMEOUT ?= 20m
AUTOSCALERS_TIMEOUT ?= 80m
# Which proofs, by the names of their tests: PROOFS='^TestHPA$$'.
PROOFS ?= .
FUZZTIME ?= 5s
# Which folders: FUZZDIRS='internal/auth internal/media'.
FUZZDIRS ?= .

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: setup-run build ## Caption videos in the browser: http://localhost:8080, all data in ./data
	@exec bin/captions serve --data $(DATA) --addr $(ADDR)

.PHONY: services
services: setup-test ## The six services and all their servers on this machine: http://localhost:8080
	@go run ./scripts/services --addr $(ADDR)

.PHONY: build
build: ## Build bin/captions
	go build -ldflags '$(LDFLAGS)' -o bin/captions ./cmd/captions

.PHONY: test
test: setup-test ## Run every test, with all the set-up that they need
	go vet ./...
	go test -timeout $(TEST_TIMEOUT) ./...

.PHONY: test-windtunnel
test-windtunnel: setup-manifests ## Test the wind tunnel, a Go module of its own: models, decisions, reports
	cd windtunnel && go vet ./... && go test -timeout $(TEST_TIMEOUT) ./...

.PHONY: test-autoscalers
test-autoscalers: setup-services ## Prove every manifest in deploy/ on a real control plane, by the real autoscalers
	cd windtunnel && go test -tags autoscalers -count 1 -p 1 -timeout $(AUTOSCALERS_TIMEOUT) -v -run '$(PROOFS)' ./internal/controlplane/...

.PHONY: test-faults
test-faults: setup-test ## Kill, restart and cut off every program and server while jobs are done, and see nothing lost
	go test -tags faults -count 1 -timeout $(TEST_TIMEOUT) -v -run '^TestFaults$$' ./e2e

.PHONY: web
web: setup-web ## Build the web app into internal/frontend/dist, which is committed
	scripts/web.sh build

.PHONY: test-web
test-web: setup-browser ## Test the web app: its logic, then both deployments in a real browser
	scripts/web.sh test

.PHONY: race
race: setup-race ## Run the tests of the packages under the race detector
	CGO_ENABLED=1 go test -race -timeout $(TEST_TIMEOUT) ./internal/... ./cmd/...

.PHONY: race-windtunnel
race-windtunnel: setup-race ## Run whole scenarios of the wind tunnel, with every autoscaler, under the race detector
	cd windtunnel && CGO_ENABLED=1 go test -race -timeout $(TEST_TIMEOUT) ./internal/engine ./windtunneltest ./cmd/windtunnel

.PHONY: lint
lint: setup-lint setup-web ## Check the code, its layers, its formatting, the scripts and the generated files
	scripts/lint.sh

# The folders that are applied together, as seen from deploy: DIRS='overlays/eks HPA/auth-service/object VPA/auth-service/memory'.
DIRS ?=

.PHONY: lint-manifests
lint-manifests: ## Find contradictions in deploy/: each policy beside the services, or DIRS='overlays/kind HPA/… VPA/…' together
	@scripts/lint-manifests.sh $(DIRS)

.PHONY: test-manifests
test-manifests: setup-manifests ## Test what is in deploy/: schemas, lint, alerts, metrics, the script of the addons
	cd windtunnel && go test ./manifest ./lint ./cmd/windtunnel ./internal/deploytest

.PHONY: kind
kind: ## The platform in a Kubernetes cluster on this machine, with Docker and kind: http://localhost:8080
	@scripts/kind.sh

# Where scripts/node_images.sh leaves the archives of images.
IMAGES = $(or $(IMAGES_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/captions-images)
# Autoscalers that run on the node, too: WITH=keda,vpa,prometheus.
WITH ?=
ALL_AUTOSCALERS = keda,vpa,prometheus
# Which scenarios of the cluster, by the names of their tests: SCENARIOS='^TestKEDA$$'.
SCENARIOS ?=
platform = --images '$(IMAGES)/node' --images '$(IMAGES)/platform' --apply ../deploy/overlays/node

.PHONY: cluster
cluster: setup-cluster bin/cluster ## The platform in a Kubernetes cluster of one node on this machine, as root and without Docker: http://198.18.0.2:30080
	@scripts/node_images.sh node
	@scripts/node_images.sh platform
	@cd windtunnel && exec ../bin/cluster $(platform) $(if $(WITH),--with '$(WITH)')

.PHONY: test-node
test-node: setup-cluster bin/cluster ## Test such a node without the platform: it runs pods, and leaves nothing behind, also when it is killed
	@scripts/node_images.sh node
	cd windtunnel && CLUSTER_IMAGES='$(IMAGES)/node' go test -tags cluster -count 1 -timeout $(TEST_TIMEOUT) -v ./internal/node

.PHONY: test-cluster
test-cluster: setup-test-cluster test-node ## Test the platform on such a node, too: the end-to-end scenarios, and the autoscalers under load
	@scripts/node_images.sh platform
	@cd windtunnel && SCENARIOS='$(SCENARIOS)' exec ../bin/cluster $(platform) --with '$(or $(WITH),$(ALL_AUTOSCALERS))' ../scripts/cluster_test.sh

.PHONY: bin/cluster
bin/cluster:
	@cd windtunnel && go build -o ../bin/cluster ./cmd/cluster
	@bin/cluster --check

.PHONY: e2e
e2e: setup-test ## Run the end-to-end scenarios on a deployment that runs: make e2e KUBECONFIG=… or URL=http://…
	@URL='$(URL)' KUBECONFIG='$(KUBECONFIG)' scripts/e2e.sh

.PHONY: images
images: ## Build the container images with docker, podman or buildah: captions/NAME:dev, or TAG=…
	VERSION='$(VERSION)' scripts/images.sh

.PHONY: test-images
test-images: setup-images ## Build the images without a Docker daemon, as root, and look into each
	scripts/images_test.sh

.PHONY: fuzz
fuzz: setup-test ## Fuzz every parser for a short time each (FUZZTIME=5s)
	scripts/fuzz.sh $(FUZZTIME) $(FUZZDIRS)

.PHONY: bench
bench: setup-bench build ## Measure against peers in the same run and write docs/benchmarks.md
	go run ./bench -write docs/benchmarks.md $(BENCHFLAGS)

.PHONY: generate
generate: ## Write docs/configuration.md from the code
	go run ./cmd/captions config-reference >docs/configuration.md.new
	mv docs/configuration.md.new docs/configuration.md

.PHONY: clean
clean: ## Remove what was built; ./data stays
	rm -rf bin build

# What the targets above need of the system; each is quick when nothing is missing.
.PHONY: setup-run setup-services setup-test setup-bench setup-race setup-manifests setup-lint setup-web setup-browser setup-images setup-cluster setup-test-cluster
setup-run:
	@scripts/setup.sh run
setup-services:
	@scripts/setup.sh services
setup-test:
	@scripts/setup.sh run test services
setup-bench:
	@scripts/setup.sh run test services bench
setup-race:
	@scripts/setup.sh run test services race
setup-manifests:
	@scripts/setup.sh monitoring
setup-lint:
	@scripts/setup.sh lint
setup-web:
	@scripts/setup.sh web
setup-browser:
	@scripts/setup.sh run test services web browser
setup-images:
	@scripts/setup.sh test images
setup-cluster:
	@scripts/setup.sh images cluster
setup-test-cluster:
	@scripts/setup.sh run test images cluster monitoring
