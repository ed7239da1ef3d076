#!/usr/bin/env bash
# down.sh STATE: ends what up.sh started there.
cd "${1:?usage: down.sh STATE}"
for name in apiserver etcd; do
  [ ! -e "$name.pid" ] || kill "$(cat "$name.pid")" 2>/dev/null || true
  rm -f "$name.pid"
done
