#!/bin/bash
# Starts the shipped job as a launch script does: node after node, an SSH connection per step, and
# fixed pauses instead of checks.
#
#   launch.sh KEY FOLDER SERVER=LOGIN WORKER=LOGIN ...     (names and logins, such as pi4=pi@10.0.0.4)
set -euo pipefail

key=$1 folder=$2
shift 2
server=$1
shift

on() { # LOGIN COMMAND
    ssh -i "$key" -o BatchMode=yes -o ConnectTimeout=10 "$1" "export PATH=/opt/homebrew/bin:\$PATH; $2"
}

launch() { # NODE LOGIN SESSION COMMAND
    echo "Starting $3 on $1"
    on "$2" "mkdir -p ~/cluster_logs"
    on "$2" "tmux kill-session -t $3 2>/dev/null || true"
    on "$2" "tmux new-session -d -s $3 'cd $folder && $4 2>&1 | tee ~/cluster_logs/$3.log'"
}

for node in "$server" "$@"; do
    on "${node#*=}" "command -v tmux" >/dev/null || { echo "No tmux on ${node%%=*}"; exit 1; }
done

launch "${server%%=*}" "${server#*=}" server "python3 train.py server ${server%%=*} --algorithm edp"
sleep 2
rank=0
for node in "$@"; do
    rank=$((rank + 1))
    launch "${node%%=*}" "${node#*=}" "worker$rank" \
        "python3 train.py worker $rank ${node%%=*} --algorithm edp"
    sleep 1
done
echo "Started 1 server and $rank workers"
