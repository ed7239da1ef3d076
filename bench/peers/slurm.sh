#!/usr/bin/env bash
# A real Slurm, all of it on this machine, for tests and measurements: bench/peers/slurm.sh up|down FOLDER [NODES] [GPUS]
#
# `up` prints the line that makes its commands find it (eval it). Needs root, and on Debian: slurm-wlm munge. Nothing outside of
# FOLDER is written but munge's key. Its nodes are names: n0, n1, … run their daemons here, each with GPUS devices that are empty files.
set -euo pipefail
action=${1:?up or down}
mkdir -p "${2:?a folder}"
folder=$(cd "$2" && pwd)
nodes=${3:-4}
gpus=${4:-4}
last=$((nodes - 1))
first=$((${SLURM_PORT:-26817} + 184))
export SLURM_CONF=$folder/slurm.conf

stop() {
  for file in "$folder"/*.pid; do
    if [ -e "$file" ]; then kill "$(cat "$file")" 2>/dev/null || true; fi
  done
  # Daemons write their state when they end.
  for _ in $(seq 50); do
    local alive=
    for file in "$folder"/*.pid; do
      if [ -e "$file" ] && kill -0 "$(cat "$file")" 2>/dev/null; then alive=yes; fi
    done
    [ -n "$alive" ] || break
    sleep 0.1
  done
}

if [ "$action" = down ]; then
  stop
  exit
fi

if ! munge -n >/dev/null 2>&1; then
  install -d -o munge -g munge -m 755 /run/munge
  install -d -o munge -g munge -m 700 /var/lib/munge /var/log/munge /etc/munge
  if [ ! -s /etc/munge/munge.key ]; then
    head -c 1024 /dev/urandom >/etc/munge/munge.key
    chown munge:munge /etc/munge/munge.key
    chmod 400 /etc/munge/munge.key
  fi
  setpriv --reuid munge --regid munge --clear-groups munged
fi

host=$(uname -n)
device=0
while [ "$device" -lt "$gpus" ]; do
  : >"$folder/gpu$device"
  device=$((device + 1))
done
cat >"$SLURM_CONF" <<EOF
ClusterName=heddle
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${SLURM_PORT:-26817}
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool.%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
# Heddle decides who runs and where: Slurm starts what it is told to at once, counts GPUs, and starts nothing again.
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
# A daemon that is silent for so long is a lost node; one that comes back is used again.
MessageTimeout=2
SlurmdTimeout=4
ReturnToService=2
KillWait=5
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
NodeName=n[0-$last] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$first-$((first + last))] CPUs=32 Boards=1 SocketsPerBoard=1 CoresPerSocket=32 ThreadsPerCore=1 RealMemory=8000 Gres=gpu:v100:$gpus
PartitionName=heddle Nodes=n[0-$last] Default=YES State=UP
EOF
echo "NodeName=n[0-$last] Name=gpu Type=v100 File=$folder/gpu[0-$((gpus - 1))]" >"$folder/gres.conf"
mkdir -p "$folder/state"
slurmctld
for node in $(seq 0 "$last"); do slurmd -N "n$node"; done
for _ in $(seq 60); do
  [ "$(sinfo -h -N -t idle -o %N | sort -u | wc -l)" -eq "$nodes" ] && break
  sleep 0.5
done
sinfo -N -o '%N %t %c %G' >&2
echo "export SLURM_CONF=$SLURM_CONF"
