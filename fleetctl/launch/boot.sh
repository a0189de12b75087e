# Starts one instance again after its node was off: what its unit or LaunchDaemon runs at boot.
#   sh program DIR
# DIR/boot is there while the instance is wanted to run: this text, the spec, the account's environment
# and the tools' PATH and TMUX_TMPDIR of its last start. Before this text: members.sh, reach.sh, interface_of.sh, and
#   fleet job instance service hash, patience (seconds)
#   lacking   prints what of the node's own network is not yet as nodes.yaml wants it; nothing: all is
#   alone     takes the lock, and gives up with one of the statuses of node_files.py
#   late      puts values in the place of words that only the node has
# Into DIR/booted it writes, until it has begun, "BOOT PID waiting|failed WHY".
umask 077
cd -P "$1" || exit
dir=$PWD
{ IFS= read -r PATH && IFS= read -r sockets; } <boot/place || exit
export PATH
[ -z "$sockets" ] || export TMUX_TMPDIR="$sockets"
wish=$(sed -n 1p boot/spec) && [ -n "$wish" ] || exit

wanted() { [ "$(sed -n 1p "$dir/boot/spec" 2>/dev/null)" = "$wish" ]; }

said=
say() { # waiting|failed WHY
  [ "$said" != "$*" ] || return 0
  said=$*
  printf '%s %s %s\n' "$(this_boot)" $$ "$said" >"$dir/booted.new" && mv "$dir/booted.new" "$dir/booted"
}

over() { # another one started or stopped it: nothing is left to be told
  rm -f "$dir/booted"
  exit 0
}

next_hop() { # ADDRESS: prints the next hop by which packets go there; nothing: there is none
  case $(uname -s) in
    Linux) ip -4 route get "$1" | sed -n 's/.* via \([0-9.]*\).*/\1/p' ;;
    *) route -n get "$1" | sed -n 's/^ *gateway: *\([0-9.]*\) *$/\1/p' ;;
  esac 2>/dev/null
}

server() { tmux -u -L fleetctl "$@"; }

opened() { # a window that only waits, in the fleet's session; prints its id and its pane's
  form='#{window_id} #{pane_id}'
  for try in 1 2 3; do
    told=$(server -f"$dir/tmux.conf" new-window -t "=$fleet:" -d -n "$service" -P -F "$form" \
      sleep 60 2>&1) && echo "$told" && return
    case $told in
      *"can't find"* | *"no server"* | *"server exited"* | *"lost server"* | *"no current"* | *"No such file"*)
        told=$(server -f"$dir/tmux.conf" new-session -d -s "$fleet" -x 200 -y 50 -n "$service" -P \
          -F "$form" sleep 60 2>&1) && echo "$told" && return ;;
    esac
    case $told in *"duplicate session"* | *"server exited"* | *"lost server"*) ;; *) break ;; esac
  done
  echo "tmux: $told" >&2
  return 1
}

begin() { # the birth, as by a controller (birth.py, tmux/server.py)
  alone
  wanted || give_up "$GONE"
  run=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
  sed "1s/.*/run=$run/" boot/spec | put spec || exit
  put account <boot/account || exit
  rm -rf stop ready searched health unwell files told apart
  late
  ids=$(opened) || { rm -rf spec account files; give_up "$NOT_WRITTEN"; }
  pane=${ids#* }
  back() { # STATUS
    server kill-window -t "${ids% *}"
    rm -rf spec account files
    give_up "$1"
  }
  wanted || back "$GONE" # a stop waits for the lock, but not for long
  log=$(for word in "$dir/logger" "$dir/log"; do
    printf %s "$word" | sed -e "s/'/'\\\\''/g" -e 's/#/##/g' -e 's/%/%%/g' -e "s/.*/'&'/"
    printf ' '
  done)
  server set-option -w -t "$pane" remain-on-exit on \; \
    set-option -w -t "$pane" @fleetctl_job "$job" \; \
    set-option -w -t "$pane" @fleetctl_instance "$instance" \; \
    set-option -w -t "$pane" @fleetctl_run "$run" \; \
    set-option -w -t "$pane" @fleetctl_hash "$hash" \; \
    set-option -w -t "$pane" @fleetctl_started "$(date +%s).000" \; \
    pipe-pane -O -t "$pane" "exec sh $log$segments" \; \
    respawn-pane -k -t "$pane" sh "$dir/supervisor" "$dir" >&2 || back "$NOT_WRITTEN"
  rmdir lock
  for window in $(printf '%s\n' "$windows" | sed 's/.* //'); do server kill-window -t "$window"; done
}

fail() { # WHY
  say failed "$(printf %s "$1" | tr '\n' ' ' | cut -c 1-300)"
  exit 1
}

waited=0
wait_for() { # WHAT it waits for
  wanted || over
  [ "$waited" -lt "$patience" ] || fail "$1, even after $patience s"
  say waiting "$1"
  sleep 1
  waited=$((waited + 1))
}

while wanted || over; do
  lack=$(lacking)
  [ -z "$lack" ] || { wait_for "$lack"; continue; }
  why=$(begin 2>&1 >/dev/null)
  status=$?
  case $status in
    0 | "$RUNNING" | "$GONE") over ;;
    "$LOCKED") wait_for 'another start or a stop of it holds its lock' ;;
    "$NO_WORKDIR") wait_for 'its workdir does not exist or may not be entered' ;;
    "$LEFT") fail 'processes of an earlier run of it still run' ;;
    *) fail "${why:-it ended with exit status $status}" ;;
  esac
done
