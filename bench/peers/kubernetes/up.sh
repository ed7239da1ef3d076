#!/usr/bin/env bash
# up.sh PROGRAMS STATE [PORT]: starts etcd and the API server with state in STATE, whichever of them is not up, and writes
# STATE/kubeconfig. down.sh ends them. PROGRAMS is what install.sh filled.
set -euo pipefail
programs=${1:?usage: up.sh PROGRAMS STATE [PORT]} state=${2:?} port=${3:-16443}
etcd_port=$((port + 1)) peer_port=$((port + 2))
mkdir -p "$state"
cd "$state"
if [ ! -e tokens.csv ]; then
  echo "$(head -c 18 /dev/urandom | base64 | tr '+/' 'ab'),heddle,1,system:masters" >tokens.csv
  openssl genrsa -out service-accounts.key 2048 2>/dev/null
fi
token=$(cut -d, -f1 tokens.csv)
# A process that was killed and that nobody has waited for is not up.
is_up() { [ -e "$1.pid" ] && grep -qs '^State:[[:space:]]*[A-WYa-z]' "/proc/$(cat "$1.pid")/status"; }
is_up etcd || {
  etcd --data-dir etcd --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
    --listen-peer-urls "http://127.0.0.1:$peer_port" >etcd.log 2>&1 &
  echo $! >etcd.pid
}
is_up apiserver || {
  "$programs/kube-apiserver" --etcd-servers="http://127.0.0.1:$etcd_port" --cert-dir=certificates \
    --bind-address=127.0.0.1 --secure-port="$port" --token-auth-file=tokens.csv --authorization-mode=AlwaysAllow \
    --service-account-issuer=https://heddle.invalid --service-account-key-file=service-accounts.key \
    --service-account-signing-key-file=service-accounts.key --service-cluster-ip-range=10.0.0.0/24 \
    --disable-admission-plugins=ServiceAccount >apiserver.log 2>&1 &
  echo $! >apiserver.pid
}
cat >kubeconfig <<C
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$port", insecure-skip-tls-verify: true}}]
users: [{name: heddle, user: {token: "$token"}}]
contexts: [{name: test, context: {cluster: test, user: heddle}}]
current-context: test
C
for _ in $(seq 360); do
  if [ "$(curl -fsSk -H "Authorization: Bearer $token" "https://127.0.0.1:$port/readyz" 2>/dev/null)" = ok ]; then exit 0; fi
  sleep 0.5
done
tail -20 apiserver.log
exit 1
