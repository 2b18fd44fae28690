# The commands that a person types; `make` alone lists them. Works with make 3.81.
PYTHON_VENV = .venv/bin/python
UV_COMPILE = .venv/bin/uv pip compile -q --universal --python-version 3.12 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header
CATALOGUE = config/locale/zh_Hans/LC_MESSAGES/django
# As in production, for the checks of a deployment
DEPLOYED = HTTPS_ONLY=true BEHIND_TLS_PROXY=true HSTS_INCLUDE_SUBDOMAINS=true HSTS_PRELOAD=true ALLOWED_HOSTS=shop.example
ARGS =

.NOTPARALLEL:
.PHONY: help demo up test acceptance check docs format requirements installed-demo installed-dev installed-docs installed-engines clean clean-data

help:
	@echo "make demo          install, load the demonstration shop, serve it (again: starts in seconds)"
	@echo "make up            serve what is in var/                 (make up ARGS='--port 8001')"
	@echo "make test          run the tests, in minutes             (make test ARGS='tests/catalog -x')"
	@echo "make acceptance    run those that kill processes, drive a browser or SDKs, or fuzz over HTTP"
	@echo "make check         style, types, import contracts, migrations, deployment, vulnerabilities, translations, naming rules"
	@echo "make docs          build the website of the documentation into var/docs; a warning fails it"
	@echo "make format        put the code in the project's style"
	@echo "make requirements  compile the pinned sets from pyproject.toml"
	@echo "make clean         remove .venv and the tools' caches"
	@echo "make clean-data    remove var/ with all its data"
	@echo "make … PYTHON=/path/to/python3.13 chooses the Python that .venv is made with"

demo: installed-demo $(CATALOGUE).mo
	@DEMO=true exec $(PYTHON_VENV) manage.py demo $(ARGS)

up: installed-demo $(CATALOGUE).mo
	@exec $(PYTHON_VENV) manage.py up --migrate $(ARGS)

test: installed-dev $(CATALOGUE).mo
	@exec $(PYTHON_VENV) -m pytest -n auto --dist worksteal -m "not acceptance" $(ARGS)

acceptance: installed-dev $(CATALOGUE).mo
	@$(MAKE) -s installed-engines || echo "Spark and ClickHouse could not be installed: their tests are skipped."
	@exec $(PYTHON_VENV) -m pytest -n auto --dist worksteal -m acceptance $(ARGS)

check: installed-dev $(CATALOGUE).mo
	$(PYTHON_VENV) -m ruff check
	$(PYTHON_VENV) -m ruff format --check
	$(PYTHON_VENV) -m mypy
	.venv/bin/lint-imports
	$(PYTHON_VENV) manage.py makemigrations --check --dry-run
	$(DEPLOYED) $(PYTHON_VENV) manage.py check --deploy --fail-level WARNING
	$(PYTHON_VENV) -m config.dependency_audit
	$(PYTHON_VENV) -m config.translations --check
	$(PYTHON_VENV) -m config.code_rules

docs: installed-docs
	$(PYTHON_VENV) -m config.docs_site

format: installed-dev
	$(PYTHON_VENV) -m ruff check --fix
	$(PYTHON_VENV) -m ruff format

requirements: installed-dev
	$(UV_COMPILE) pyproject.toml -o requirements/runtime.txt
	$(UV_COMPILE) --extra demo pyproject.toml -o requirements/demo.txt -c requirements/runtime.txt
	$(UV_COMPILE) --extra demo --extra dev pyproject.toml -o requirements/dev.txt -c requirements/runtime.txt
	$(UV_COMPILE) --extra engines pyproject.toml -o requirements/engines.txt -c requirements/dev.txt
	$(UV_COMPILE) --extra otel pyproject.toml -o requirements/otel.txt -c requirements/runtime.txt
	printf 'mkdocs-material\njieba\n' | $(UV_COMPILE) - -o requirements/docs.txt -c requirements/dev.txt
	echo uv | $(UV_COMPILE) - -o requirements/uv.txt
	echo analytics-python | $(UV_COMPILE) - -o requirements/analytics-python.txt

installed-demo:
	@PYTHON="$(PYTHON)" requirements/bootstrap.sh demo

installed-dev:
	@PYTHON="$(PYTHON)" requirements/bootstrap.sh dev

# Spark and ClickHouse as engines of the warehouse; the other packages stay as they are
installed-engines: installed-dev
	@PYTHON="$(PYTHON)" requirements/bootstrap.sh engines

installed-docs: installed-dev
	@PYTHON="$(PYTHON)" requirements/bootstrap.sh docs

$(CATALOGUE).mo: $(CATALOGUE).po
	@$(PYTHON_VENV) -m config.translations --compile

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/clients/node/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-data:
	@if [ -e var/postgres/postmaster.pid ]; then echo "var/ is in use: end Perennial first (Ctrl-C where it runs)."; exit 1; fi
	rm -rf var
