#!/usr/bin/env bash
# What the Dockerfile does, in plain folders: for machines without a Docker engine. Needs a network or a warm pnpm store.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
node="$root/node_modules/.bin/node"
pnpm=$("$node" --print 'require("./package.json").packageManager')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for target in provisioner broker cli; do
  mkdir "$work/$target"
  # .dockerignore
  git ls-files -z --cached --others --exclude-standard -- package.json pnpm-lock.yaml pnpm-workspace.yaml LICENSE packages patches tests/package.json examples/linux-board/package.json ':!*.test.ts' |
    xargs -0 cp --parents --target-directory "$work/$target"
  # The target's own RUN line
  install=$(awk -v stage="AS $target-installed" 'index($0, stage) { found = 1; next } found && sub(/^RUN pnpm /, "") { print; exit }' infra/Dockerfile)
  (cd "$work/$target" && eval "npx --yes $pnpm $install --reporter=silent")
  # The image has the official Node: nothing of this checkout's is to be used.
  entry=packages/$target/src/main.ts
  check=--check-config
  [ "$target" != cli ] || check=--help
  (cd "$work/$target" && env -i PATH=/usr/bin:/bin MUSTER_DATABASE_URL=postgresql://nowhere/muster "$node" "$entry" "$check" >/dev/null)
  echo "$target: $(du -sh "$work/$target" | cut -f1)"
done
