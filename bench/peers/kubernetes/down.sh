#!/usr/bin/env bash
# down.sh STATE: ends what up.sh started there, at once: asked to end by itself, the API server would wait for its clients first.
cd "${1:?usage: down.sh STATE}"
for name in apiserver etcd; do
  [ ! -e "$name.pid" ] || kill -KILL "$(cat "$name.pid")" 2>/dev/null || true
  rm -f "$name.pid"
done
