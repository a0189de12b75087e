# fleetctl's supervisor: runs one instance's command, records how it ended, restarts it by policy.
# It is the process of a tmux pane and works whether or not anybody is connected.
#   sh supervisor DIR          DIR/spec says what to run; DIR/state is what others read
#   sh supervisor DIR RESTARTS leads the command's process group and turns its end to an exit code
#   sh supervisor DIR RESTARTS command becomes the command
# DIR/stop, made by `fleetctl stop`, means: it is ended on purpose, do not restart it.
dir=$1
. "$dir/spec"

record() { # PHASE KEY=VALUE...
  phase=$1; shift
  { printf 'run=%s\nphase=%s\nrestarts=%s\nstarted=%s\npid=%s\nlog=%s\n' \
      "$run" "$phase" "$restarts" "$started" "$pid" "$log"
    for line in "$@"; do printf '%s\n' "$line"; done
  } >"$dir/state.new" 2>/dev/null && mv "$dir/state.new" "$dir/state"
}

if [ $# -eq 2 ]; then
  # What is sent to the group is for the command. Without job control a command that is stopped has
  # not ended, and one that Ctrl-C ends does not end a loop of bash's, as it would one level up.
  trap : HUP INT QUIT ABRT USR1 USR2 ALRM TERM
  sh "$dir/supervisor" "$dir" "$2" command
  exit $?
fi
if [ $# -gt 2 ]; then
  restarts=$2 pid=$$ started=$(date +%s)
  # where the log ends now: the output of this attempt begins there, or a little later
  log=$(ls "$dir/log" 2>/dev/null | sed -n 's/^\([0-9]*\)\.log$/\1/p' | sort -n | tail -n 1)
  [ ! -r "$dir/log/$log.log" ] || log=$((log + $(wc -c <"$dir/log/$log.log")))
  cd "$workdir" || exit 126
  record running
  environment
  FLEETCTL_RUN=$run; export FLEETCTL_RUN
  exec sh -c "$command"
fi

say() { printf 'fleetctl: %s\n' "$*"; }

finish() { # what remains when nothing will be started any more
  record ended "ended=$ended" "exit=$code"
  rm -f "$dir/spec"
  sleep 0.2 # tmux may close the pane of a process that ends at once before it has read all of it
  exit "$code"
}

set -m # the command gets its own process group, and the terminal while it runs
stty susp undef 2>/dev/null # a typed Ctrl-Z would stop it with nobody to continue it
trap : INT QUIT # a typed Ctrl-C is for the command
stopping=
trap 'stopping=1' TERM HUP

restarts=0 row=0
set -- $pauses
while :; do
  began=$(date +%s)
  sh "$dir/supervisor" "$dir" "$restarts"
  code=$? ended=$(date +%s)
  started=$(sed -n 's/^started=//p' "$dir/state" 2>/dev/null)
  pid=$(sed -n 's/^pid=//p' "$dir/state" 2>/dev/null)
  log=$(sed -n 's/^log=//p' "$dir/state" 2>/dev/null)
  [ -n "$stopping" ] || [ -e "$dir/stop" ] && finish
  case $policy in
    never) say "ended with exit code $code"; finish ;;
    on-failure) [ "$code" -ne 0 ] || { say "ended with exit code 0"; finish; } ;;
  esac
  [ $((ended - began)) -lt "$reset_after" ] || { row=0; set -- $pauses; }
  if [ "$row" -ge "$max" ]; then
    say "ended with exit code $code; not restarted again after $row restarts in a row"
    finish
  fi
  row=$((row + 1)) restarts=$((restarts + 1))
  say "ended with exit code $code; restart $restarts in $1 s"
  record backoff "ended=$ended" "exit=$code"
  sleep "$1" &
  wait $! 2>/dev/null
  kill $! 2>/dev/null # a signal ended the wait before it
  [ -n "$stopping" ] || [ -e "$dir/stop" ] && finish
  [ $# -eq 1 ] || shift
done
