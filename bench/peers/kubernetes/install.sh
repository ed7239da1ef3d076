#!/usr/bin/env bash
# install.sh FOLDER: builds Kubernetes' API server, and installs etcd. Needs go 1.25 or newer and, for etcd, root on Debian.
# Takes three minutes on two cores, once: what FOLDER has is kept.
set -euo pipefail
folder=$(mkdir -p "${1:?usage: install.sh FOLDER}" && cd "$1" && pwd)
cd "$(dirname "$0")"
[ -x "$folder/kube-apiserver" ] || go build -mod=mod -o "$folder/kube-apiserver" .
command -v etcd >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends etcd-server >/dev/null
"$folder/kube-apiserver" --version
