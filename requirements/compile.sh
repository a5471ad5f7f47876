#!/usr/bin/env bash
# Rewrites the three hashed requirement files from the members' pyproject.toml; commit the result.
set -eu
cd "$(dirname "$0")/.."
members="engine/pyproject.toml stats/pyproject.toml sdk-python/pyproject.toml server/pyproject.toml cli/pyproject.toml examples/shop/pyproject.toml"
options="--quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --no-emit-package equipoise-engine --no-emit-package equipoise-stats --no-emit-package equipoise-sdk"
# shellcheck disable=SC2086
.venv/bin/uv pip compile $options $members requirements/build.in -o requirements.txt
# shellcheck disable=SC2086
.venv/bin/uv pip compile $options $members requirements/build.in requirements/develop.in -c requirements.txt -o requirements/develop.txt
# shellcheck disable=SC2086
.venv/bin/uv pip compile $options requirements/engines.in -c requirements/develop.txt -o requirements/engines.txt
